package catalog

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
	"github.com/millrace/millrace/internal/table"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	transient = connector.Retryable
	blocking  = connector.Systemic
)

// A double is a strict Data Catalog in memory: an update of an old version, members that a request can't have, too many partitions in a call, and names that
// are taken or missing are errors, and names become lower case.
type double struct {
	*httptest.Server

	mu        sync.Mutex
	account   string // that catalog_id must name, if any
	databases map[string]map[string]*doubleTable
	calls     []string
	fails     map[string][]string // by operation: codes, or code and message, that the next calls are answered with
	before    map[string]func()   // by operation: called once, before the next call
	partFails map[string]string   // by a partition's first value: code
	last      map[string]record   // by operation: the last request
}

type doubleTable struct {
	version    int
	archived   int
	input      record
	partitions map[string]record
}

func newDouble(t testing.TB, databases ...string) *double {
	t.Helper()
	d := &double{
		databases: map[string]map[string]*doubleTable{}, fails: map[string][]string{}, before: map[string]func(){}, partFails: map[string]string{},
		last: map[string]record{},
	}
	for _, name := range databases {
		d.databases[name] = map[string]*doubleTable{}
	}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AWSGlue.")
	body, err := io.ReadAll(r.Body)
	request := record{}
	if !ok || err != nil || json.Unmarshal(body, &request) != nil || !strings.Contains(r.Header.Get("Authorization"), "/glue/aws4_request") {
		refuse(w, "UnknownOperationException", r.Header.Get("X-Amz-Target"))
		return
	}
	d.mu.Lock()
	before := d.before[operation]
	delete(d.before, operation)
	d.mu.Unlock()
	if before != nil {
		before()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, operation)
	d.last[operation] = request
	if f := d.fails[operation]; len(f) > 0 {
		d.fails[operation] = f[1:]
		code, message, _ := strings.Cut(f[0], ": ")
		if code != "" {
			refuse(w, code, message)
			return
		}
	}
	answer, refusal := d.answer(operation, request)
	if refusal != "" {
		code, message, _ := strings.Cut(refusal, ": ")
		refuse(w, code, message)
		return
	}
	if _, err := w.Write(encoded(answer)); err != nil {
		panic(err)
	}
}

func refuse(w http.ResponseWriter, code, message string) {
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintf(w, `{"__type":%q,"Message":%q}`, code, message)
}

// members that requests can have (AWS Glue API reference).
var members = map[string]string{
	opCreateDatabase: "CatalogId DatabaseInput Tags", opGetTable: "CatalogId DatabaseName Name TransactionId QueryAsOfTime IncludeStatusDetails",
	opCreateTable:      "CatalogId DatabaseName TableInput PartitionIndexes",
	opUpdateTable:      "CatalogId DatabaseName TableInput SkipArchive VersionId Force",
	opCreatePartitions: "CatalogId DatabaseName TableName PartitionInputList", opGetPartitions: "CatalogId DatabaseName TableName PartitionsToGet",
	opUpdatePartitions: "CatalogId DatabaseName TableName Entries",

	"TableInput":        "Name Description Owner LastAccessTime LastAnalyzedTime Retention StorageDescriptor PartitionKeys ViewOriginalText ViewExpandedText TableType Parameters TargetTable ViewDefinition",
	"PartitionInput":    "Values LastAccessTime StorageDescriptor Parameters LastAnalyzedTime",
	"StorageDescriptor": "Columns Location AdditionalLocations InputFormat OutputFormat Compressed NumberOfBuckets SerdeInfo BucketColumns SortColumns Parameters SkewedInfo StoredAsSubDirectories SchemaReference",
	"SerdeInfo":         "Name SerializationLibrary Parameters",
	"Column":            "Name Type Comment Parameters",
}

// strict refuses members that aren't known.
func strict(kind string, r record) string {
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if !slices.Contains(strings.Fields(members[kind]), name) {
			return "InvalidInputException: " + kind + " has no " + name
		}
	}
	return ""
}

func (d *double) answer(operation string, q record) (answer any, refusal string) {
	if members[operation] == "" {
		return nil, "UnknownOperationException: " + operation
	}
	if refusal := strict(operation, q); refusal != "" {
		return nil, refusal
	}
	var account, database, name string
	q.decode("CatalogId", &account)
	q.decode("DatabaseName", &database)
	q.decode("Name", &name)
	q.decode("TableName", &name)
	database, name = strings.ToLower(database), strings.ToLower(name)
	if account != d.account {
		return nil, "EntityNotFoundException: Catalog " + account + " not found"
	}
	if operation == opCreateDatabase {
		return d.createDatabase(q)
	}
	tables, ok := d.databases[database]
	if !ok {
		return nil, "EntityNotFoundException: Database " + database + " not found."
	}
	var input record
	if _, ok := q["TableInput"]; ok {
		q.decode("TableInput", &input)
		input.decode("Name", &name)
		name = strings.ToLower(name)
		if refusal := checkTable(input); refusal != "" {
			return nil, refusal
		}
		input["Name"] = encoded(name)
	}
	found := tables[name]
	switch {
	case operation == opCreateTable && found != nil:
		return nil, "AlreadyExistsException: Table already exists."
	case operation == opCreateTable:
		tables[name] = &doubleTable{version: 1, input: input, partitions: map[string]record{}}
		return record{}, ""
	case found == nil:
		return nil, "EntityNotFoundException: Entity Not Found"
	}
	switch operation {
	case opGetTable:
		return record{"Table": encoded(found.table(database))}, ""
	case opUpdateTable:
		return found.update(q, input)
	case opCreatePartitions:
		return d.createPartitions(found, q)
	case opGetPartitions:
		return found.getPartitions(q)
	}
	return found.updatePartitions(q)
}

func (d *double) createDatabase(q record) (any, string) {
	var input struct{ Name string }
	q.decode("DatabaseInput", &input)
	name := strings.ToLower(input.Name)
	if d.databases[name] != nil {
		return nil, "AlreadyExistsException: Database already exists."
	}
	d.databases[name] = map[string]*doubleTable{}
	return record{}, ""
}

// checkTable checks a TableInput, and gives the columns their names.
func checkTable(input record) string {
	if refusal := strict("TableInput", input); refusal != "" {
		return refusal
	}
	if _, ok := input["PartitionKeys"]; !ok {
		return "InvalidInputException: PartitionKeys is null, which Athena can't read"
	}
	var storage record
	input.decode("StorageDescriptor", &storage)
	if refusal := checkStorage(storage); refusal != "" {
		return refusal
	}
	var keys, columns []column
	input.decode("PartitionKeys", &keys)
	storage.decode("Columns", &columns)
	var names []string
	for _, c := range append(keys, columns...) {
		names = append(names, c.Name)
	}
	if a, b, found := twins(names); found {
		return "InvalidInputException: duplicate columns " + a + ", " + b
	}
	return ""
}

func checkStorage(storage record) string {
	if refusal := strict("StorageDescriptor", storage); refusal != "" {
		return refusal
	}
	var serde record
	storage.decode("SerdeInfo", &serde)
	if refusal := strict("SerdeInfo", serde); refusal != "" {
		return refusal
	}
	var columns []record
	storage.decode("Columns", &columns)
	for _, c := range columns {
		if refusal := strict("Column", c); refusal != "" {
			return refusal
		}
		var name, typ string
		c.decode("Name", &name)
		c.decode("Type", &typ)
		if _, err := table.ParseHiveType(typ); err != nil || name == "" || name != strings.ToLower(name) {
			return "InvalidInputException: column " + name + " of type " + typ
		}
	}
	return ""
}

// table is what GetTable shows: more than a TableInput takes.
func (t *doubleTable) table(database string) record {
	shown := cloned(t.input)
	maps.Copy(shown, record{
		"DatabaseName": encoded(database), "VersionId": encoded(strconv.Itoa(t.version)), "CreateTime": encoded(1.7e9), "UpdateTime": encoded(1.7e9),
		"CreatedBy": encoded("arn:aws:iam::123456789012:role/x"), "IsRegisteredWithLakeFormation": encoded(false), "CatalogId": encoded("123456789012"),
		"IsMultiDialectView": encoded(false), "ViewOriginalText": encoded(nil),
	})
	return shown
}

func (t *doubleTable) update(q, input record) (any, string) {
	var version string
	var skip bool
	q.decode("VersionId", &version)
	q.decode("SkipArchive", &skip)
	if version != strconv.Itoa(t.version) {
		return nil, "ConcurrentModificationException: Update table failed due to concurrent modifications."
	}
	t.version, t.input = t.version+1, input
	if !skip {
		t.archived++
	}
	return record{}, ""
}

func valuesKey(r record, name string) (values []string, key string) {
	r.decode(name, &values)
	return values, strings.Join(values, "/")
}

func (d *double) createPartitions(t *doubleTable, q record) (any, string) {
	var inputs []record
	var keys []column
	q.decode("PartitionInputList", &inputs)
	t.input.decode("PartitionKeys", &keys)
	if len(inputs) > 100 {
		return nil, "ValidationException: Member must have length less than or equal to 100"
	}
	errs := []any{}
	sent := map[string]bool{}
	for _, input := range inputs {
		values, key := valuesKey(input, "Values")
		var storage record
		input.decode("StorageDescriptor", &storage)
		if refusal := strict("PartitionInput", input) + checkStorage(storage); refusal != "" {
			return nil, refusal
		}
		if len(values) != len(keys) || sent[key] {
			return nil, "InvalidInputException: The number of partition keys do not match the number of partition values, or duplicates"
		}
		sent[key] = true
		code := d.partFails[values[0]]
		if t.partitions[key] != nil {
			code = codeExists
		}
		if code != "" {
			errs = append(errs, map[string]any{"PartitionValues": values, "ErrorDetail": map[string]string{"ErrorCode": code, "ErrorMessage": "no."}})
			continue
		}
		t.partitions[key] = input
	}
	return map[string]any{"Errors": errs}, ""
}

func (t *doubleTable) getPartitions(q record) (any, string) {
	var wanted []record
	q.decode("PartitionsToGet", &wanted)
	if len(wanted) > 1000 {
		return nil, "ValidationException: Member must have length less than or equal to 1000"
	}
	found := []record{}
	for _, w := range wanted {
		if _, key := valuesKey(w, "Values"); t.partitions[key] != nil {
			p := cloned(t.partitions[key])
			p["CreationTime"], p["DatabaseName"] = encoded(1.7e9), encoded("web")
			found = append(found, p)
		}
	}
	return map[string]any{"Partitions": found, "UnprocessedKeys": []any{}}, ""
}

func (t *doubleTable) updatePartitions(q record) (any, string) {
	var entries []record
	q.decode("Entries", &entries)
	if len(entries) > 100 {
		return nil, "ValidationException: Member must have length less than or equal to 100"
	}
	for _, e := range entries {
		var input record
		e.decode("PartitionInput", &input)
		if refusal := strict("PartitionInput", input); refusal != "" {
			return nil, refusal
		}
		_, key := valuesKey(e, "PartitionValueList")
		t.partitions[key] = input
	}
	return record{}, ""
}

// table is one of the double's, as it stands.
func (d *double) table(t testing.TB, name string) *stored {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	found := d.databases["web"][name]
	if found == nil {
		t.Fatalf("there is no table %s", name)
	}
	s, err := parseTable(encoded(record{"Table": encoded(found.table("web"))}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// change is another writer's update of a table.
func (d *double) change(t testing.TB, name string, f func(input, storage record)) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	found := d.databases["web"][name]
	input := cloned(found.input)
	var storage record
	input.decode("StorageDescriptor", &storage)
	f(input, storage)
	input["StorageDescriptor"] = encoded(storage)
	found.input, found.version = input, found.version+1
}

// took are the operations that were called since the last time.
func (d *double) took() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	calls := d.calls
	d.calls = nil
	return calls
}

func columnsOf(s *stored) (list []string) {
	for _, c := range s.columns {
		list = append(list, c.name+" "+c.typ)
	}
	return list
}

func config(endpoint string, change ...func(*Config)) Config {
	c := DefaultConfig()
	c.Region, c.AccessKey, c.SecretKey = "eu-west-1", secret.New("millrace"), secret.New("hunter2")
	c.Endpoint, c.Database = endpoint, "web"
	for _, f := range change {
		f(&c)
	}
	return c
}

func connect(t testing.TB, c Config) *Catalog {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	made, err := Connect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := made.Close(); err != nil {
			t.Error(err)
		}
	})
	return made
}

func field(name string, kind table.Kind) table.Field {
	return table.Field{Name: name, Type: table.Type{Kind: kind, Nullable: true}}
}

func clicks(fields ...table.Field) Table {
	return Table{
		Name: "clicks", Location: "s3://lake/web/", Format: Parquet, Compression: "zstd", Schema: &table.Schema{Name: "Click", Fields: fields},
		Keys: KeysOf("web/dt={time:yyyy-MM-dd}/city={value.city}/"),
	}
}
