package catalog

import (
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/table"
)

// Each error of the Data Catalog has a class, and says what to do about it.
func TestErrors(t *testing.T) {
	const lake = "AccessDeniedException: Insufficient Lake Formation permission(s)"
	for _, c := range []struct {
		operation, answer string
		class             connector.Class
		want              string
	}{
		{opGetTable, "AccessDeniedException: User x is not authorized to perform: glue:GetTable", blocking,
			"the credentials need glue:GetTable on the catalog, the database web and its table clicks"},
		{opCreateTable, lake + ": Required Create Table on web", blocking, "must grant arn:aws:iam::123456789012:role/lake CREATE_TABLE on the database web"},
		{opUpdateTable, lake + ": Required Alter on clicks", blocking, "ALTER on the table clicks of the database web"},
		{opGetTable, lake + ": Required Describe on clicks", blocking, "DESCRIBE on the database web and its tables"},
		{opCreateTable, lake + ": Required Data Location Access on s3://lake", blocking, "DATA_LOCATION_ACCESS on the folder of the table"},
		{opCreateTable, lake + " on s3 location s3://lake/web", blocking, "DATA_LOCATION_ACCESS on the folder of the table"},
		{opGetTable, lake + " on clicks", blocking, "CREATE_TABLE and DESCRIBE on the database web, ALTER, INSERT and DESCRIBE on the table clicks"},
		{opCreateTable, "EntityNotFoundException: Database web not found.", blocking, "set create_database"},
		{opCreateTable, "ResourceNumberLimitExceededException: too many", blocking, "Service Quotas"},
		{opCreateTable, "GlueEncryptionException: kms", blocking, "kms:GenerateDataKey"},
		{opCreateTable, "InvalidInputException: bad", blocking, "bad"},
		{opCreateTable, "ValidationException: bad", blocking, "bad"},
		{opCreateTable, "FederationSourceException: no", blocking, "another catalog"},
		{opCreateTable, "FederationSourceRetryableException: no", transient, "another catalog"},
		{opCreateTable, "EntityTooLargeException: no", blocking, "columns and properties"},
		{opCreateTable, "OperationTimeoutException: late", transient, "late"},
		{opCreateTable, "InternalServiceException: oh", transient, "oh"},
		{opCreateTable, "ResourceNotReadyException: wait", transient, "Lake Formation"},
		{opCreateTable, "ThrottlingException: Rate exceeded", transient, "Rate exceeded"},
		{opCreateTable, "ExpiredTokenException: old", blocking, "have expired"},
		{opCreateTable, "SomethingNew: what", blocking, "what"},
	} {
		d := newDouble(t, "web")
		k := connect(t, config(d.URL))
		if c.operation == opUpdateTable {
			ensure(t, k, clicks(field("a", table.Int32)))
		}
		k.config.AssumeRole.ARN = "arn:aws:iam::123456789012:role/lake" // for the messages
		d.fails[c.operation] = []string{c.answer}
		_, err := k.Ensure(t.Context(), clicks(field("b", table.Int32)))
		switch {
		case err == nil || connector.ClassOf(err) != c.class:
			t.Errorf("%s: %v: %v, want %v", c.answer, connector.ClassOf(err), err, c.class)
		case !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "table web.clicks") || strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: %v, want %q", c.answer, err, c.want)
		case strings.Contains(c.answer, "Lake") && strings.Contains(err.Error(), "credentials need"):
			t.Errorf("%s is explained by IAM: %v", c.answer, err)
		}
	}
}

// A database that somebody else creates first is no error; one that can't be created is.
func TestCreateDatabase(t *testing.T) {
	d := newDouble(t)
	c := connect(t, config(d.URL, func(c *Config) { c.CreateDatabase = true }))
	d.fails[opCreateDatabase] = []string{"AccessDeniedException: Insufficient Lake Formation permission(s): Required Create Database on Catalog", "AccessDeniedException: no"}
	for _, want := range []string{"must grant the role of this process CREATE_DATABASE on the catalog", "glue:CreateDatabase on the catalog and the database web"} {
		if _, err := c.Ensure(t.Context(), clicks(field("a", table.Int32))); connector.ClassOf(err) != blocking || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	d.before[opCreateDatabase] = func() { d.databases["web"] = map[string]*doubleTable{} }
	ensure(t, c, clicks(field("a", table.Int32)))
}

// What isn't AWS Glue isn't believed.
func TestForeignAnswers(t *testing.T) {
	for _, text := range []string{"", "{}", "[]", `{"Table":7}`, "<html>"} {
		if s, err := parseTable([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, s)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := config("http://127.0.0.1:1").Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Config){
		"catalog_id: is":              func(c *Config) { c.CatalogID = "x" },
		"database: is":                func(c *Config) { c.Database = "" },
		"endpoint must be":            func(c *Config) { c.Endpoint = "glue" },
		"region is":                   func(c *Config) { c.Region = "EU" },
		"location: is":                func(c *Config) { c.Location = "/data" },
		"partitions: is":              func(c *Config) { c.Partitions = "some" },
		"on_incompatible: is":         func(c *Config) { c.OnIncompatible = "" },
		"partition_types.hour: is":    func(c *Config) { c.PartitionTypes = map[string]string{"hour": "float"} },
		"projection_from: is":         func(c *Config) { c.Partitions, c.ProjectionFrom = PartitionsProjection, "today" },
		"properties: ":                func(c *Config) { c.Properties = map[string]string{"": "x"} },
		"table: is":                   func(c *Config) { c.Table = "Clicks-{topic}" },
		"nothing that a record holds": func(c *Config) { c.Table = "{value.a}" },
		"there is no {nothing}":       func(c *Config) { c.Table = "{nothing}" },
		`table: is ""`:                func(c *Config) { c.Table = "" },
	} {
		if err := config("http://127.0.0.1:1", change).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := Connect(t.Context(), Config{}); err == nil {
		t.Error("connected without settings")
	}
}

func TestAppendName(t *testing.T) {
	for name, want := range map[string]string{"Web.Clicks-v2": "web_clicks_v2", "a_b": "a_b", "ü": "__", "": ""} {
		if got := string(AppendName(nil, []byte(name))); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
