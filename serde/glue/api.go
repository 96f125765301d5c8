package glue

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/serde/registry"
)

// Operations, which rights are named after.
const (
	opVersion    = "GetSchemaVersion"
	opSchema     = "GetSchema"
	opSchemas    = "ListSchemas"
	opDefinition = "GetSchemaByDefinition"
	opCreate     = "CreateSchema"
	opRegister   = "RegisterSchemaVersion"
)

// Requests and answers, with the members that are used (API reference, "Schema registry API").
type (
	registryID struct{ RegistryName string }
	schemaID   struct{ RegistryName, SchemaName string }

	// A versionNumber is a number, or that of the newest.
	versionNumber struct {
		LatestVersion bool  `json:",omitempty"`
		VersionNumber int64 `json:",omitempty"`
	}

	byID struct {
		ID string `json:"SchemaVersionId"`
	}
	byNumber struct {
		SchemaID            schemaID `json:"SchemaId"`
		SchemaVersionNumber versionNumber
	}
	ofSchema struct {
		SchemaID         schemaID `json:"SchemaId"`
		SchemaDefinition string   `json:",omitempty"`
	}
	ofRegistry struct {
		RegistryID registryID `json:"RegistryId"`
		NextToken  string     `json:",omitempty"`
	}
	newSchema struct {
		RegistryID                                              registryID `json:"RegistryId"`
		SchemaName, DataFormat, Compatibility, SchemaDefinition string
	}

	schemaAnswer  struct{ LatestSchemaVersion int64 }
	schemasAnswer struct {
		Schemas   []struct{ SchemaName string }
		NextToken string
	}
	version struct {
		ID               string `json:"SchemaVersionId"`
		SchemaARN        string `json:"SchemaArn"`
		SchemaDefinition string
		DataFormat       string
		Status           string
		VersionNumber    int64
	}
)

// The states of a version (API reference, "Schema registry API", SchemaVersionStatus).
const (
	statusAvailable = "AVAILABLE"
	statusPending   = "PENDING"
	statusFailure   = "FAILURE"
	statusDeleting  = "DELETING"
)

// A caller is a client's Call.
type caller func(ctx context.Context, operation string, body, reply []byte) ([]byte, error)

// ask asks for an answer.
func ask[T any](ctx context.Context, call caller, operation string, request any) (answer T, err error) {
	body, err := json.Marshal(request)
	if err != nil {
		return answer, err
	}
	reply, err := call(ctx, operation, body, nil)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(reply, &answer); err != nil {
		return answer, fmt.Errorf("the answer can't be read: %w", err)
	}
	return answer, nil
}

func (v versions) schema(name string) schemaID { return schemaID{v.registry, name} }

// schema is a version as it was answered.
func (v *version) schema() *serde.Schema {
	return &serde.Schema{
		Format:  serde.Format(v.DataFormat),
		Name:    v.SchemaARN[strings.LastIndexByte(v.SchemaARN, '/')+1:], // arn:aws:glue:REGION:ACCOUNT:schema/REGISTRY/NAME
		ID:      strings.ToLower(v.ID),
		Version: v.VersionNumber,
		Text:    v.SchemaDefinition,
	}
}

// usable is an error unless the version may be used.
func (v *version) usable(what string) error {
	if what == "" {
		what = "it"
	}
	switch v.Status {
	case statusAvailable, "":
		if v.SchemaDefinition == "" {
			return fmt.Errorf("%s has no definition", what)
		}
		return nil
	case statusFailure:
		return fmt.Errorf("%s failed AWS Glue's check of its compatibility: %w", what, registry.ErrUnusable)
	case statusDeleting:
		return fmt.Errorf("%s is being deleted: %w", what, registry.ErrNotFound)
	}
	return fmt.Errorf("%s isn't available yet, its status is %s", what, v.Status)
}
