package catalog

import (
	"fmt"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/awsjson"
)

// Operations, which rights are named after.
const (
	opCreateDatabase = "CreateDatabase"
	opGetTable       = "GetTable"
	opCreateTable    = "CreateTable"
	opUpdateTable    = "UpdateTable"

	opCreatePartitions = "BatchCreatePartition"
	opGetPartitions    = "BatchGetPartition"
	opUpdatePartitions = "BatchUpdatePartition"
)

// Codes that are looked for.
const (
	codeExists   = "AlreadyExistsException"
	codeMissing  = "EntityNotFoundException"
	codeConflict = "ConcurrentModificationException"
	codeDenied   = "AccessDeniedException"
)

// service is the Data Catalog, with its error codes (AWS Glue API reference, "Errors" of each operation).
func service() *awsjson.Service {
	const (
		retryable = connector.Retryable
		systemic  = connector.Systemic

		kms = "the Data Catalog is encrypted: the credentials need kms:Decrypt and kms:GenerateDataKey on its key, which must be enabled"
	)
	return awsjson.Glue(map[string]awsjson.Verdict{
		codeMissing: {Class: systemic, Hint: "look at database, catalog_id and region, or set create_database"},
		codeDenied:  {Class: systemic}, // explain says what is missing

		"ResourceNotReadyException":      {Class: retryable, Hint: "it is being created, or changed by Lake Formation"},
		"EntityTooLargeException":        {Class: systemic, Hint: "the columns and properties of the table are larger than the Data Catalog takes"},
		"GlueEncryptionException":        {Class: systemic, Hint: kms},
		"InvalidInputException":          {Class: systemic},
		"ValidationException":            {Class: systemic},
		"OperationNotSupportedException": {Class: systemic, Hint: "the database or table belongs to another catalog, or is of a kind that can't be changed"},

		"ResourceNumberLimitExceededException": {Class: systemic, Hint: "a quota of the Data Catalog is used up (tables, versions of tables, or partitions): raise it in Service Quotas, or set skip_archive"},

		"FederationSourceException":               {Class: systemic, Hint: "the database belongs to another catalog, which refused"},
		"FederationSourceRetryableException":      {Class: retryable, Hint: "the database belongs to another catalog, which can't be reached"},
		"FederatedResourceAlreadyExistsException": {Class: systemic, Hint: "a federated table of this name is there: choose another name in table"},
	})
}

// code is what AWS Glue answered, "" if it didn't.
func code(err error) string {
	if a := awsjson.Refusal(err); a != nil {
		return a.Code
	}
	return ""
}

// explain adds to a refusal of a call what has to be granted, and to whom.
func (c *Catalog) explain(operation, table string, err error) error {
	a := awsjson.Refusal(err)
	if a == nil || a.Code != codeDenied {
		return err
	}
	if hint := c.lakeFormation(a.Message, table); hint != "" {
		return connector.Systemic.Errorf("%w (%s)", err, hint)
	}
	on := "the catalog and the database " + c.config.Database
	if operation != opCreateDatabase {
		on = fmt.Sprintf("the catalog, the database %s and its table %s", c.config.Database, table)
	}
	return connector.Systemic.Errorf("%w (the credentials need glue:%s on %s)", err, operation, on)
}

// permissions are what Lake Formation says that it requires, and how the grant is called (AWS Lake Formation Developer Guide, "Lake Formation permissions
// reference").
var permissions = []struct{ text, grant, on string }{
	{"Create Database", "CREATE_DATABASE", "on the catalog"},
	{"Create Table", "CREATE_TABLE", "on the database {database}"},
	{"Create Tag", "CREATE_LF_TAG", "on the catalog"},
	{"Location", "DATA_LOCATION_ACCESS", "on the folder of the table, as a data location"},
	{"Alter", "ALTER", "on the table {table} of the database {database}"},
	{"Insert", "INSERT", "on the table {table} of the database {database}"},
	{"Describe", "DESCRIBE", "on the database {database} and its tables"},
}

// lakeFormation is what to do about a refusal of AWS Lake Formation, whose message begins "Insufficient Lake Formation permission(s): Required Create Table
// on"; "" if it is none.
func (c *Catalog) lakeFormation(message, table string) string {
	if !strings.Contains(message, "Lake Formation") {
		return ""
	}
	names := strings.NewReplacer("{database}", c.config.Database, "{table}", table)
	grant := names.Replace("CREATE_TABLE and DESCRIBE on the database {database}, ALTER, INSERT and DESCRIBE on the table {table}, and DATA_LOCATION_ACCESS on its folder")
	_, required, found := strings.Cut(message, "Required ")
	for _, p := range permissions {
		if found && strings.Contains(required, p.text) || !found && p.text == "Location" && strings.Contains(strings.ToLower(message), "location") {
			grant = p.grant + " " + names.Replace(p.on)
			break
		}
	}
	role := c.config.AssumeRole.ARN
	if role == "" {
		role = "the role of this process"
	}
	return fmt.Sprintf("rights of IAM aren't enough where Lake Formation governs: an administrator of the data lake must grant %s %s", role, grant)
}
