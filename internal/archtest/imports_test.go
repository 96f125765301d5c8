package archtest

import (
	"slices"
	"strings"
	"testing"
)

// The layers, lowest first. A package belongs to the last layer whose folder it is under, and may
// import its own folder and what its layer may. Tests may import more: doubles and conformance suites.
var layers = []struct {
	folder string
	may    []string // an entry with a final = is that package without its folders
}{
	{"serde", nil},
	{"connector", []string{"serde", "internal/failpoint"}}, // its calls are empty in ordinary builds
	{"connector/secret", nil},
	// Decoders that ask registries are clients, as sinks are: above the core, whose classes of errors and identities they share.
	{"serde/glue", []string{"serde", "connector=", "connector/secret", "internal"}},
	{"serde/confluent", []string{"serde", "connector=", "connector/secret", "internal"}},
	{"internal", []string{"serde", "connector=", "connector/secret", "internal"}},
	{"connector/kafka", []string{"serde", "connector=", "connector/secret", "internal"}},
	{"connector/config", []string{"serde", "connector=", "connector/secret", "internal"}},
	{"connector/connectortest", []string{"serde", "connector="}},
	{"handlers", []string{"serde", "connector=", "connector/secret", "internal"}},
	{"sinks", []string{"serde", "connector=", "connector/secret", "internal"}},
	{"testbed", nil},
	{"deploy", nil},
	{"cmd", []string{"serde", "connector", "internal", "handlers", "sinks", "examples="}}, // the demo runs the examples' files
	{"examples", []string{"serde", "connector", "handlers", "sinks"}},                     // no internal: an example is what users can write
	{"bench", []string{"serde", "connector", "internal", "handlers", "sinks", "testbed"}},
}

// Imports go one way: serde, connector, then handlers, sinks, connector/kafka and connector/config
// side by side, then cmd and examples.
func TestImportDirection(t *testing.T) {
	for _, p := range packages(t) {
		layer := -1
		for i, l := range layers {
			if under(p.path(), l.folder) {
				layer = i
			}
		}
		if layer < 0 {
			t.Errorf("%s is in no layer: say in the table what it may import", p.path())
			continue
		}
		home := layers[layer].folder
		switch home {
		case "sinks", "cmd", "examples": // each folder below is on its own
			if rest := strings.TrimPrefix(p.path(), home+"/"); rest != p.path() {
				first, _, _ := strings.Cut(rest, "/")
				home += "/" + first
			}
		}
		for _, i := range p.Imports {
			to, ok := own(i)
			if ok && !under(to, home) && !allowed(to, layers[layer].may) {
				t.Errorf("%s imports %s: %s may import %s", p.path(), to, home, list(layers[layer].may))
			}
		}
	}
}

func allowed(path string, may []string) bool {
	for _, m := range may {
		if exact, ok := strings.CutSuffix(m, "="); ok {
			if path == exact {
				return true
			}
		} else if under(path, m) {
			return true
		}
	}
	return false
}

func list(may []string) string {
	if len(may) == 0 {
		return "no other"
	}
	return strings.ReplaceAll(strings.Join(may, ", "), "=", " (not its folders)")
}

// The core is what everybody imports: it brings nobody a dependency.
func TestCoreReachesNothing(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		if p.path() != "serde" && p.path() != "connector" {
			continue
		}
		seen++
		if i := slices.IndexFunc(p.Deps, third); i >= 0 {
			t.Errorf("%s reaches %s", p.path(), p.Deps[i])
		}
	}
	if seen != 2 {
		t.Errorf("looked at %d packages, want serde and connector", seen)
	}
}

type sdk struct {
	module string
	by     []string
}

// Who may reach an SDK besides the programs. A sink that brings an SDK adds a row.
var sdks = []sdk{
	{"github.com/twmb/franz-go", []string{"connector/kafka", "serde/confluent", "serde/glue"}}, // below serde: pkg/sr, the client of registries
	{"github.com/redis/go-redis", []string{"sinks/redisgeo"}},
	{"github.com/alicebob/miniredis", nil},
	{"github.com/spf13/cobra", nil},
	{"github.com/goccy/go-yaml", []string{"connector/config"}},
	{"github.com/invopop/jsonschema", []string{"connector/config"}},
	{"github.com/aws", []string{"sinks/s3", "internal/identity", "internal/secretsmanager", "connector/kafka", "sinks/redisgeo", "serde/glue",
		"internal/awserror", "internal/awsjson", "internal/bucket", "sinks/eventbridge", "sinks/dynamodb",
		"internal/catalog"}},
	{"github.com/aws/aws-sdk-go-v2/service/glue", nil}, // internal/awsjson calls AWS Glue; this client takes 1.3 MB of the image
	// Columns of Protobuf messages and of .proto files are found in internal/table/origin, which files have through columns and staging. Lines and stdout
	// need columns only: internal/table, which reaches no parser.
	{"github.com/bufbuild/protocompile", []string{"serde/protobuf", "serde/registry", "serde/confluent", "serde/glue",
		"internal/table/origin", "internal/columns", "internal/staging", "sinks/file", "sinks/s3"}},
	{"github.com/santhosh-tekuri/jsonschema", []string{"serde/jsonschema", "serde/registry", "serde/confluent", "serde/glue"}},
	{"github.com/linkedin/goavro", nil},
	{"github.com/Shopify/toxiproxy", nil},
	{"github.com/rs/zerolog", nil},
	// Thrift, encodings and Bloom filters of Parquet: who writes files has them through staging, and restore reads them. See TestParquetInParts.
	{"github.com/parquet-go", []string{"internal/parquet", "internal/staging", "internal/restore", "sinks/file", "sinks/s3"}},
	{"github.com/apache/arrow-go", nil},
}

// Modules that any sink may import.
var shared = []string{"golang.org/x/sync", "golang.org/x/time", "github.com/klauspost/compress", "github.com/expr-lang/expr"}

var programs = []string{"cmd", "examples", "bench", "testbed"}

// Who imports a package gets what it needs and nothing else: one sink doesn't bring another's SDK.
func TestSDKs(t *testing.T) {
	for _, p := range packages(t) {
		if underAny(p.path(), programs) {
			continue
		}
		for _, s := range sdks {
			reaches := slices.ContainsFunc(p.Deps, func(d string) bool { return under(d, s.module) })
			if reaches && !underAny(p.path(), s.by) {
				t.Errorf("%s reaches %s", p.path(), s.module)
			}
		}
		if !under(p.path(), "sinks") {
			continue
		}
		for _, i := range p.Imports {
			known := slices.ContainsFunc(sdks, func(s sdk) bool { return under(i, s.module) })
			if third(i) && !known && !underAny(i, shared) {
				t.Errorf("%s imports %s: say in the table who may reach it", p.path(), i)
			}
		}
	}
}

// The parts of parquet-go that internal/parquet is made of take 0.5 MB of the image, the package itself with its readers, writers and codecs 3.5 MB.
func TestParquetInParts(t *testing.T) {
	const whole = "github.com/parquet-go/parquet-go"
	for _, p := range packages(t) {
		if underAny(p.path(), []string{"bench", "testbed"}) {
			continue
		}
		for _, d := range p.Deps {
			if d == whole || under(d, whole+"/compress") {
				t.Errorf("%s reaches %s", p.path(), d)
			}
		}
	}
}
