package testbed

import (
	"context"
	"embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// DynamoDB Local, and the program that runs it.
//
//go:embed dynamodb/*.java
var dynamoSources embed.FS

//go:embed dynamodb/pom.xml
var dynamoPom []byte

// A DynamoDB is AWS's own DynamoDB Local, which keeps tables in memory and is as strict as DynamoDB with items, keys and
// expressions. It takes any keys and Region, and throttles nobody.
type DynamoDB struct {
	Endpoint  string // http://127.0.0.1:15123
	Region    string
	AccessKey string
	SecretKey string
	Nodes     []*Process // one; none where it is shared
}

// DynamoDBJars returns the folder with DynamoDB Local; what isn't in the cache is fetched by Maven.
func DynamoDBJars(ctx context.Context) (string, error) {
	jars, err := mavenJars(ctx, "dynamodb-local", dynamoPom)
	if err != nil {
		return "", fmt.Errorf("fetch DynamoDB Local: %w", err)
	}
	return jars, nil
}

// DynamoDBClasses returns the folder with the program that runs DynamoDB Local; javac makes it if it isn't in the cache.
func DynamoDBClasses(ctx context.Context) (string, error) {
	jars, err := DynamoDBJars(ctx)
	if err != nil {
		return "", err
	}
	classes, err := javaClasses(ctx, dynamoSources, "dynamodb", jars, dynamoPom)
	if err != nil {
		return "", fmt.Errorf("compile DynamoDB Local's launcher: %w", err)
	}
	return classes, nil
}

// startDynamoDB starts DynamoDB Local, which keeps nothing in dir but its log.
func startDynamoDB(ctx context.Context, dir string) (*DynamoDB, error) {
	classes, err := DynamoDBClasses(ctx)
	if err != nil {
		return nil, err
	}
	jars, err := DynamoDBJars(ctx)
	if err != nil {
		return nil, err
	}
	java, err := findJava("java")
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	addr := local(ports[0])
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	p := &Process{
		Name: "dynamodb", Addr: addr, Log: filepath.Join(dir, "dynamodb.log"),
		argv: []string{java, "-Xmx512m", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true",
			"-Dsqlite4java.library.path=" + jars, "-cp", classes + string(os.PathListSeparator) + filepath.Join(jars, "*"),
			"LoopbackDynamoDB", host, strconv.Itoa(ports[0])},
		ready: "DynamoDB Local listens on",
	}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	d := dynamoAt("http://" + addr)
	d.Nodes = []*Process{p}
	return d, nil
}

func dynamoAt(endpoint string) *DynamoDB {
	return &DynamoDB{Endpoint: endpoint, Region: s3Region, AccessKey: "millrace", SecretKey: "millrace"}
}

// At is the same DynamoDB by another endpoint: a DynamoDBGateway's, or a Proxy's.
func (d *DynamoDB) At(endpoint string) *DynamoDB {
	other := *d
	other.Endpoint = endpoint
	return &other
}

// Client returns a client that doesn't retry, so that a test sees the answers.
func (d *DynamoDB) Client(t testing.TB) *dynamodb.Client {
	t.Helper()
	return d.client()
}

func (d *DynamoDB) client() *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		HTTPClient:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, // a test that looks for leaks finds no idle connection
		BaseEndpoint: &d.Endpoint, Region: d.Region, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(d.AccessKey, d.SecretKey, ""),
	})
}

// A TableKey is an attribute of a table's primary key.
type TableKey struct {
	Name string
	Type types.ScalarAttributeType // S, N or B
}

// Table makes a table that is named after the test and deleted with it. The keys are the partition key and, if there are two, the sort key.
func (d *DynamoDB) Table(t testing.TB, keys ...TableKey) string {
	t.Helper()
	name := Name(t)
	d.CreateTable(t, name, keys...)
	return name
}

// CreateTable makes a table by name, to be deleted with the test.
func (d *DynamoDB) CreateTable(t testing.TB, name string, keys ...TableKey) {
	t.Helper()
	table := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	for i, k := range keys {
		kind := []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i]
		table.KeySchema = append(table.KeySchema, types.KeySchemaElement{AttributeName: aws.String(k.Name), KeyType: kind})
		table.AttributeDefinitions = append(table.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String(k.Name), AttributeType: k.Type})
	}
	if _, err := d.client().CreateTable(deadline(t), table); err != nil {
		t.Fatalf("create table %s: %v", name, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
		defer cancel()
		_, _ = d.client().DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name}) // best effort: the server may be down
	})
}

// Items returns all items of a table, in no order.
func (d *DynamoDB) Items(t testing.TB, table string) []map[string]types.AttributeValue {
	t.Helper()
	var items []map[string]types.AttributeValue
	d.scan(t, &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)}, func(page *dynamodb.ScanOutput) {
		items = append(items, page.Items...)
	})
	return items
}

// Count returns how many items a table has.
func (d *DynamoDB) Count(t testing.TB, table string) (n int) {
	t.Helper()
	d.scan(t, &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true), Select: types.SelectCount}, func(page *dynamodb.ScanOutput) {
		n += int(page.Count)
	})
	return n
}

func (d *DynamoDB) scan(t testing.TB, what *dynamodb.ScanInput, add func(*dynamodb.ScanOutput)) {
	t.Helper()
	pages := dynamodb.NewScanPaginator(d.client(), what)
	for pages.HasMorePages() {
		page, err := pages.NextPage(deadline(t))
		if err != nil {
			t.Fatalf("scan table %s: %v", *what.TableName, err)
		}
		add(page)
	}
}
