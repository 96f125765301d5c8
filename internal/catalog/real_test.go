//go:build testbed

package catalog

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/google/go-cmp/cmp"

	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/table"
	"github.com/millrace/millrace/testbed"
)

// newMoto is the settings of a database of the test's own in moto's Data Catalog, and the SDK's client to look into it.
func newMoto(t testing.TB, change ...func(*Config)) (Config, *glue.Client) {
	t.Helper()
	moto := testbed.Moto(t)
	c := config(moto.Endpoint, func(c *Config) {
		c.Region, c.AccessKey, c.SecretKey, c.CreateDatabase = moto.Region, secret.New(moto.AccessKey), secret.New(moto.SecretKey), true
		c.Database = strings.ToLower(strings.NewReplacer("/", "_", ".", "_").Replace(testbed.Name(t)))
	})
	for _, f := range change {
		f(&c)
	}
	client := glue.New(glue.Options{
		BaseEndpoint: &moto.Endpoint, Region: moto.Region, Credentials: credentials.NewStaticCredentialsProvider(moto.AccessKey, moto.SecretKey, ""),
	})
	t.Cleanup(func() {
		if _, err := client.DeleteDatabase(context.Background(), &glue.DeleteDatabaseInput{Name: &c.Database}); err != nil {
			t.Error(err)
		}
	})
	return c, client
}

// TestRealTable: moto shows the table, its partitions and the columns that appear, as another client sees them.
func TestRealTable(t *testing.T) {
	settings, client := newMoto(t, func(c *Config) { c.Properties = map[string]string{"owner": "web"} })
	c := connect(t, settings)
	want := clicks(field("Id", table.Int32), field("at", table.TimestampMicros), table.Field{Name: "pos", Type: table.Type{
		Kind: table.Struct, Fields: []table.Field{field("lat", table.Float64), field("lon", table.Float64)},
	}})
	if change := ensure(t, c, want); !change.Created {
		t.Errorf("change %+v", change)
	}
	ask := &glue.GetTableInput{DatabaseName: &settings.Database, Name: aws.String("clicks")}
	made, err := client.GetTable(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	got := made.Table
	if diff := cmp.Diff([]string{"id int", "at timestamp", "pos struct<lat:double,lon:double>"}, seen(got.StorageDescriptor.Columns)); diff != "" {
		t.Errorf("columns (want -, got +):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"dt string", "city string"}, seen(got.PartitionKeys)); diff != "" {
		t.Errorf("keys (want -, got +):\n%s", diff)
	}
	if *got.StorageDescriptor.Location != want.Location || *got.TableType != "EXTERNAL_TABLE" || got.Parameters["owner"] != "web" ||
		*got.StorageDescriptor.SerdeInfo.SerializationLibrary != serdes[Parquet].library {
		t.Errorf("table %+v", got)
	}

	// Somebody else describes the table; then a column comes.
	input := &types.TableInput{
		Name: got.Name, TableType: got.TableType, PartitionKeys: got.PartitionKeys, StorageDescriptor: got.StorageDescriptor, Parameters: got.Parameters,
		Description: aws.String("clicks of the web"),
	}
	input.StorageDescriptor.Columns = append(input.StorageDescriptor.Columns, types.Column{Name: aws.String("theirs"), Type: aws.String("date")})
	if _, err := client.UpdateTable(t.Context(), &glue.UpdateTableInput{DatabaseName: &settings.Database, TableInput: input}); err != nil {
		t.Fatal(err)
	}
	wider := clicks(field("id", table.Int64), field("ours", table.String))
	change := ensure(t, c, wider)
	if diff := cmp.Diff(Change{Added: []string{"ours"}, Widened: []string{"id int -> bigint"}}, change); diff != "" {
		t.Errorf("change (want -, got +):\n%s", diff)
	}
	if made, err = client.GetTable(t.Context(), ask); err != nil {
		t.Fatal(err)
	}
	columns := []string{"id bigint", "at timestamp", "pos struct<lat:double,lon:double>", "theirs date", "ours string"}
	if diff := cmp.Diff(columns, seen(made.Table.StorageDescriptor.Columns)); diff != "" || aws.ToString(made.Table.Description) != "clicks of the web" {
		t.Errorf("%q, columns (want -, got +):\n%s", aws.ToString(made.Table.Description), diff)
	}
}

// TestRealPartitions: moto has the partitions, also those that another process registered before the table grew.
func TestRealPartitions(t *testing.T) {
	settings, client := newMoto(t)
	first, second := connect(t, settings), connect(t, settings)
	narrow, wide := clicks(field("a", table.Int32)), clicks(field("a", table.Int32), field("b", table.String))
	register(t, first, narrow, days(0, 120))
	ensure(t, second, wide)
	register(t, second, wide, days(119, 121))
	pages := glue.NewGetPartitionsPaginator(client, &glue.GetPartitionsInput{DatabaseName: &settings.Database, TableName: aws.String("clicks")})
	columns := map[string][]string{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Partitions {
			p := &page.Partitions[i]
			columns[p.Values[0]] = seen(p.StorageDescriptor.Columns)
			if want := "s3://lake/web/dt=" + p.Values[0] + "/city=x/"; *p.StorageDescriptor.Location != want || p.Values[1] != "x" {
				t.Errorf("partition %v in %s", p.Values, *p.StorageDescriptor.Location)
			}
		}
	}
	both := []string{"a int", "b string"}
	if len(columns) != 121 || !slices.Equal(columns["0"], []string{"a int"}) || !slices.Equal(columns["119"], both) || !slices.Equal(columns["120"], both) {
		t.Errorf("%d partitions: %v, %v, %v", len(columns), columns["0"], columns["119"], columns["120"])
	}
}

func seen(columns []types.Column) (list []string) {
	for i := range columns {
		list = append(list, *columns[i].Name+" "+*columns[i].Type)
	}
	return list
}
