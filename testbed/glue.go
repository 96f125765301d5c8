package testbed

import (
	"bytes"
	"context"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// AWS's own serde for the Glue Schema Registry, and the program that runs it.
//
//go:embed glue/*.java glue/vehicle.*
var glueSources embed.FS

//go:embed glue/pom.xml
var gluePom []byte

// The formats, as the registry names them.
const (
	GlueAvro     = "AVRO"
	GlueJSON     = "JSON"
	GlueProtobuf = "PROTOBUF"
)

// GlueJars returns the folder with AWS's serde and what it needs; what isn't in the cache is fetched by Maven, about 43 MB.
func GlueJars(ctx context.Context) (string, error) {
	jars, err := mavenJars(ctx, "glue-serde", gluePom)
	if err != nil {
		return "", fmt.Errorf("fetch AWS's Glue serde: %w", err)
	}
	return jars, nil
}

// GlueClasses returns the class path of the program glue/GlueRoundTrip.java; javac makes its classes if they aren't in the cache.
func GlueClasses(ctx context.Context) (string, error) {
	jars, err := GlueJars(ctx)
	if err != nil {
		return "", err
	}
	classes, err := javaClasses(ctx, glueSources, "glue", jars, gluePom)
	if err != nil {
		return "", fmt.Errorf("compile the Glue round trip: %w", err)
	}
	return classes + string(os.PathListSeparator) + filepath.Join(jars, "*"), nil
}

// GlueSchema returns the schema of the records that GlueSerde writes, as glue/vehicle.* has it. The registry holds the
// text that the serde makes of it.
func GlueSchema(format string) (string, error) {
	name, ok := map[string]string{GlueAvro: "glue/vehicle.avsc", GlueJSON: "glue/vehicle.schema.json", GlueProtobuf: "glue/vehicle.proto"}[format]
	if !ok {
		return "", fmt.Errorf("no schema of format %q", format)
	}
	text, err := glueSources.ReadFile(name)
	return string(text), err
}

// A GlueSerde is AWS's own serde for Java beside a registry. Each call starts a Java of its own, which
// takes a second or two before its first record: a call may ask for many things at once. Calls may run side by side.
type GlueSerde struct {
	Endpoint string // of Glue: moto's, or of a proxy before it
	Region   string
	Registry string // which exists
}

// GlueOptions say what GlueSerde.Write writes.
type GlueOptions struct {
	Format     string // GlueAvro, GlueJSON or GlueProtobuf
	Compress   bool   // with zlib
	SchemaName string // is registered if it isn't there
	Count      int    // records
	Seed       int64  // the same seed makes the same records
	// RecordType is the one type of the records, for Protobuf only, without the package: Vehicle, Vehicle.Pos, Alarm, Depot, Depot.Gate
	// or Depot.Gate.Lock. "" is all of them in turn.
	RecordType string
}

// GlueValues are Kafka values and what they hold.
type GlueValues struct {
	Values [][]byte
	// Expected has a line of JSON for each value. JSON payloads are there as they were written. Of Avro and Protobuf it is the record
	// as Millrace's AppendJSON writes it, but for the order of members: unions and oneofs are the plain value, decimals have all
	// digits of their scale, floats the shortest, integers are numbers, bytes are base64, dates and times texts by RFC 3339, durations by ISO
	// 8601, enums names. A Protobuf field with presence that isn't set is null, one of a oneof absent. CanonicalJSON makes texts comparable.
	Expected []string
}

// Write lets Java write records. There is one answer for each of the options.
func (s GlueSerde) Write(ctx context.Context, options ...GlueOptions) ([]GlueValues, error) {
	dir, err := os.MkdirTemp("", "millrace-glue-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var args []string
	for i, o := range options {
		compression := "NONE"
		if o.Compress {
			compression = "ZLIB"
		}
		args = append(then(args), "write")
		args = append(args, s.args()...)
		args = append(args, "--format", o.Format, "--compression", compression, "--schema-name", o.SchemaName,
			"--count", strconv.Itoa(o.Count), "--seed", strconv.FormatInt(o.Seed, 10), "--out", filepath.Join(dir, strconv.Itoa(i)))
		if o.RecordType != "" {
			args = append(args, "--record-type", o.RecordType)
		}
	}
	if err := glueJava(ctx, args); err != nil {
		return nil, fmt.Errorf("write records with AWS's serde: %w", err)
	}
	answers := make([]GlueValues, len(options))
	for i := range answers {
		out := filepath.Join(dir, strconv.Itoa(i))
		if answers[i].Values, err = readBase64(out); err != nil {
			return nil, err
		}
		if answers[i].Expected, err = readLines(out + ".expected.jsonl"); err != nil {
			return nil, err
		}
		if v, e := len(answers[i].Values), len(answers[i].Expected); v != e || v != options[i].Count {
			return nil, fmt.Errorf("AWS's serde wrote %d values and %d expected records, want %d", v, e, options[i].Count)
		}
	}
	return answers, nil
}

// GlueRead is values that GlueSerde.Read reads.
type GlueRead struct {
	Format string
	Values [][]byte
}

// Read lets Java read values. Of each GlueRead there is a line of JSON for each value, in the form of GlueValues.Expected.
func (s GlueSerde) Read(ctx context.Context, reads ...GlueRead) ([][]string, error) {
	dir, err := os.MkdirTemp("", "millrace-glue-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var args []string
	for i, r := range reads {
		in := filepath.Join(dir, strconv.Itoa(i))
		if err := writeBase64(in, r.Values); err != nil {
			return nil, err
		}
		args = append(then(args), "read")
		args = append(args, s.args()...)
		args = append(args, "--format", r.Format, "--in", in, "--out", in+".jsonl")
	}
	if err := glueJava(ctx, args); err != nil {
		return nil, fmt.Errorf("read records with AWS's serde: %w", err)
	}
	answers := make([][]string, len(reads))
	for i := range answers {
		if answers[i], err = readLines(filepath.Join(dir, strconv.Itoa(i)+".jsonl")); err != nil {
			return nil, err
		}
		if got, want := len(answers[i]), len(reads[i].Values); got != want {
			return nil, fmt.Errorf("AWS's serde read %d records of %d values", got, want)
		}
	}
	return answers, nil
}

func (s GlueSerde) args() []string {
	return []string{"--endpoint", s.Endpoint, "--region", s.Region, "--registry", s.Registry}
}

// then separates one command from the next.
func then(args []string) []string {
	if len(args) > 0 {
		args = append(args, "then")
	}
	return args
}

// glueJava runs GlueRoundTrip. The error has the end of what it printed.
func glueJava(ctx context.Context, args []string) error {
	path, err := GlueClasses(ctx)
	if err != nil {
		return err
	}
	java, err := findJava("java")
	if err != nil {
		return err
	}
	// It lives for seconds: the first compiler and the simplest collector are the fastest.
	argv := append([]string{"-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", path, "GlueRoundTrip"}, args...)
	cmd := exec.CommandContext(ctx, java, argv...)
	Contain(cmd)
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("java GlueRoundTrip: %w; the end of what it printed:\n%s", err, lastLines(said, 30))
	}
	return nil
}

func writeBase64(path string, values [][]byte) error {
	var text bytes.Buffer
	for _, v := range values {
		text.WriteString(base64.StdEncoding.EncodeToString(v))
		text.WriteByte('\n')
	}
	return os.WriteFile(path, text.Bytes(), 0o600)
}

func readBase64(path string) ([][]byte, error) {
	lines, err := readLines(path)
	if err != nil {
		return nil, err
	}
	values := make([][]byte, len(lines))
	for i, l := range lines {
		if values[i], err = base64.StdEncoding.DecodeString(l); err != nil {
			return nil, fmt.Errorf("line %d of %s: %w", i+1, filepath.Base(path), err)
		}
	}
	return values, nil
}

func readLines(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), nil
}

// CanonicalJSON is a line of JSON with the members of objects sorted by their names and strings escaped in one way.
// Numbers are the texts that they were.
func CanonicalJSON(line string) (string, error) {
	in := json.NewDecoder(strings.NewReader(line))
	in.UseNumber()
	var v any
	if err := in.Decode(&v); err != nil {
		return "", fmt.Errorf("read JSON %.200q: %w", line, err)
	}
	if in.More() {
		return "", errors.New("read JSON: more than one value in a line")
	}
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}
