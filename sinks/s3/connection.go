package s3

import (
	"context"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/bucket"
)

// Connection is the settings by which a bucket is reached, and those of every object that is put there.
type Connection = bucket.Connection

// AssumeRole is the role that STS is asked for.
type AssumeRole = bucket.AssumeRole

// Encryption is how S3 keeps objects.
type Encryption = bucket.Encryption

// What is done to objects, and the right that it needs.
var (
	opList     = bucket.Operation{Verb: "list", Right: "s3:ListBucket"}
	opGet      = bucket.Operation{Verb: "get", Right: "s3:GetObject"}
	opHead     = bucket.Operation{Verb: "look at", Right: "s3:GetObject"}
	opPut      = bucket.Operation{Verb: "put", Right: "s3:PutObject"}
	opCreate   = bucket.Operation{Verb: "create an upload of", Right: "s3:PutObject"}
	opPart     = bucket.Operation{Verb: "upload a part of", Right: "s3:PutObject"}
	opComplete = bucket.Operation{Verb: "complete", Right: "s3:PutObject"}
	opTag      = bucket.Operation{Verb: "tag", Right: "s3:PutObjectTagging"}
	opParts    = bucket.Operation{Verb: "look at the upload of", Right: "s3:ListMultipartUploadParts"}
	opAbort    = bucket.Operation{Verb: "abort the upload of", Right: "s3:AbortMultipartUpload"}
	opBury     = bucket.Operation{Verb: "put dead letters into", Right: "s3:PutObject"}
)

// Codes that calls are decided by.
const (
	codeNoSuchKey    = "NoSuchKey"
	codeNoSuchUpload = "NoSuchUpload"
	codeInvalidPart  = "InvalidPart"
)

// verdicts on codes that are about the settings of objects.
var verdicts = map[string]bucket.Verdict{
	"InvalidStorageClass": {Class: connector.Systemic, Hint: "look at storage_class"},
	"InvalidTag":          {Class: connector.Systemic, Hint: "look at tags"},
	"KeyTooLongError":     {Class: connector.Systemic, Hint: "look at path and prefix"},
	"EntityTooLarge":      {Class: connector.Systemic, Hint: "lower rotate.size"},
	"EntityTooSmall":      {Class: connector.Systemic, Hint: "raise part_size: this store wants larger parts"},
	"InvalidObjectState":  {Class: connector.Systemic, Hint: "it was moved to an archive: restore it, and keep rules of the bucket off the links"},
	"NotImplemented":      {Class: connector.Systemic, Hint: "this store lacks what the request asks for: look at checksum, acl, encryption, storage_class and tags"},
}

// connect makes the client of valid settings.
func connect(ctx context.Context, c *Connection) (*bucket.Bucket, error) {
	b, err := c.Connect(ctx)
	if err == nil {
		b.Verdicts = verdicts
	}
	return b, err
}
