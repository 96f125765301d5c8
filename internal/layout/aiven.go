package layout

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/millrace/millrace/connector"
)

// aivenTemplate is file.name.template's default.
const aivenTemplate = "{{topic}}-{{partition}}-{{start_offset}}"

// Aiven turns the settings of Aiven's S3 sink connector (its README, "File name format") into ours. template is its
// file.name.template; empty: that of the settings.
func Aiven(template string, settings map[string]string) (Settings, error) {
	a := aiven{p: properties{values: settings}}
	if err := a.format(); err != nil {
		return Settings{}, err
	}
	if err := a.name(template); err != nil {
		return Settings{}, err
	}
	a.sink()
	if err := a.p.err(); err != nil {
		return Settings{}, err
	}
	if _, _, err := a.s.Compile(); err != nil {
		return Settings{}, err
	}
	return a.s, nil
}

// aiven is a translation under way.
type aiven struct {
	p properties
	s Settings
}

// format finds format and compression.
func (a *aiven) format() error {
	kind := a.p.get("file.compression.type", a.p.get("output_compression", "gzip"))
	extension, ok := map[string]string{"none": "", "gzip": ".gz", "snappy": ".snappy", "zstd": ".zst"}[strings.ToLower(kind)]
	if !ok {
		return fmt.Errorf("file.compression.type is %q; it is none, gzip, snappy or zstd", kind)
	}
	a.s.Compression, a.s.Extension = strings.ToLower(kind), extension
	fields := a.p.get("format.output.fields", a.p.get("output_fields", "value"))
	switch kind := strings.ToLower(a.p.get("format.output.type", "csv")); kind {
	case "jsonl":
		a.s.Format = "json"
	case "json":
		a.s.Format = "json"
		a.s.note("format.output.type is json: there a file is one array; here each line is a value.")
	case "parquet", "avro":
		a.s.Format = kind
	case "csv":
		if fields == "value" {
			a.s.Format = "raw"
			a.s.note("format.output.type is csv with the field value: there each line is the value's bytes, in base64 unless format.output.fields.value.encoding is none; here each line is the value.")
		} else {
			a.s.Format = "csv"
		}
	default:
		return fmt.Errorf("format.output.type is %q; it is csv, json, jsonl, parquet or avro", kind)
	}
	if fields != "value" || a.p.get("format.output.envelope", "true") == "true" && a.s.Format != "raw" {
		a.s.note("format.output.fields is %s: there a row is an object of them; here the setting envelope makes one.", fields)
	}
	return nil
}

// aivenVariable is what the connector takes for a variable.
var aivenVariable = regexp.MustCompile(`\{\{\s*(\w*)\s*(?::(\w+)=(\w+))?\s*\}\}`)

// name makes Path of a template, or of the prefix that the connector had before it had templates.
func (a *aiven) name(template string) error {
	template = strings.TrimSpace(template)
	old := a.p.get("aws.s3.prefix", a.p.get("aws_s3_prefix", ""))
	switch {
	case template != "":
	case old != "":
		return a.oldName(old)
	default:
		template = a.p.get("file.name.template", aivenTemplate+a.dotAvro()+a.s.Extension)
	}
	path, used, err := a.variables(template)
	if err != nil {
		return err
	}
	if err := a.check(used); err != nil {
		return err
	}
	if err := a.time(used, "file.name.timestamp.timezone", "file.name.timestamp.source"); err != nil {
		return err
	}
	a.path(path)
	return nil
}

// path cuts the extension, which templates hold here and the sink adds there.
func (a *aiven) path(path string) {
	extension := ""
	if i := strings.LastIndexByte(path, '}'); i >= 0 && strings.HasPrefix(path[i+1:], ".") && !strings.ContainsAny(path[i+1:], "/ ") {
		path, extension = path[:i+1], path[i+1:]
	}
	a.s.Path, a.s.Extension = path, extension
}

// dotAvro is what stands before the extension of a compression, in names that the connector makes itself.
func (a *aiven) dotAvro() string {
	if a.s.Format == "avro" {
		return ".avro"
	}
	return ""
}

// oldName is the name of the settings aws.s3.prefix and aws_s3_prefix.
func (a *aiven) oldName(prefix string) error {
	path, used, err := a.variables(prefix)
	if err != nil {
		return err
	}
	if slices.Contains(used, "key") {
		return errors.New("aws.s3.prefix can't hold {{key}}")
	}
	if err := a.time(used, "timestamp.timezone", "timestamp.source"); err != nil {
		return err
	}
	a.path(path + "{topic}-{partition}-{position:%020d}" + a.dotAvro() + a.s.Extension)
	return nil
}

// variables replaces variables by our fields.
func (a *aiven) variables(template string) (path string, used []string, err error) {
	var out strings.Builder
	at := 0
	for _, m := range append(aivenVariable.FindAllStringSubmatchIndex(template, -1), nil) {
		text := template[at:]
		if m != nil {
			text, at = template[at:m[0]], m[1]
		}
		if strings.Contains(text, "{{") {
			return "", nil, fmt.Errorf("the template %q has a {{ that begins no variable", template)
		}
		out.WriteString(literal(text))
		if m == nil {
			break
		}
		name, parameter, value := template[m[2]:m[3]], "", ""
		if m[4] >= 0 {
			parameter, value = template[m[4]:m[5]], template[m[6]:m[7]]
		}
		f, err := aivenField(name, parameter, value)
		if err != nil {
			return "", nil, fmt.Errorf("the template %q: %s: %w", template, template[m[0]:m[1]], err)
		}
		out.WriteString(f)
		if name == "utc_date" || name == "local_date" {
			name = "timestamp"
		}
		used = append(used, name)
	}
	return out.String(), used, nil
}

// aivenField is our field for a variable.
func aivenField(name, parameter, value string) (string, error) {
	padded := ""
	switch {
	case name == "partition" || name == "start_offset":
		if parameter != "" && parameter != "padding" || value != "" && value != "true" && value != "false" {
			return "", errors.New("it takes padding=true or padding=false")
		}
		if value == "true" {
			padded = map[string]string{"partition": ":%010d", "start_offset": ":%020d"}[name]
		}
	case name == "timestamp":
		if value == "YYYY" { // which the connector takes for yyyy
			value = "yyyy"
		}
		if parameter != "unit" || !slices.Contains([]string{"yyyy", "MM", "dd", "HH"}, value) {
			return "", errors.New("it takes unit=yyyy, MM, dd or HH")
		}
		return "{time:" + value + "}", nil
	case parameter != "":
		return "", errors.New("it takes no parameter")
	}
	switch name {
	case "topic":
		return "{topic}", nil
	case "partition":
		return "{partition" + padded + "}", nil
	case "start_offset":
		return "{position" + padded + "}", nil
	case "key":
		return "{key}", nil
	case "utc_date", "local_date":
		return "{time:yyyy-MM-dd}", nil
	}
	return "", errors.New("there is no such variable: topic, partition, start_offset, timestamp, key")
}

// check refuses what the connector refuses: sets of variables that make no group.
func (a *aiven) check(used []string) error {
	used = slices.Compact(slices.Sorted(slices.Values(used)))
	has := func(names ...string) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(used, n) })
	}
	only := func(names ...string) bool {
		return !slices.ContainsFunc(used, func(n string) bool { return !slices.Contains(names, n) })
	}
	switch {
	case has("topic", "partition", "start_offset") && only("topic", "partition", "start_offset", "timestamp", "key"):
		a.s.note("start_offset is the offset of a file's first record. There, files of other times or keys of the same flush have the partition's first.")
		if has("key") {
			a.s.Null = "null"
		}
		return nil
	case has("key") && only("key", "topic", "partition"):
		a.s.Null = "null"
		a.s.note("{{key}} keeps the last record of a key and overwrites its object. Here each file of a key is an object of its own, with all of its records, and its name ends in a number and random digits.")
		return nil
	}
	return fmt.Errorf("the variables %s make no group: they are topic, partition, start_offset, and timestamp or key if wanted; or key, with topic and partition if wanted", strings.Join(used, ", "))
}

// time finds which time is shown, where one is.
func (a *aiven) time(used []string, zone, source string) error {
	if !slices.Contains(used, "timestamp") {
		return nil
	}
	id, err := zoneID(a.p.get(zone, "UTC"))
	if err != nil {
		return fmt.Errorf("%s: %w", zone, err)
	}
	a.s.Time = Time{Zone: id}
	switch kind := a.p.get(source, "wallclock"); strings.ToLower(kind) {
	case "wallclock":
		a.s.Time.From = "wall"
		a.s.note("%s is wallclock: records that are read again get another path than before. Nothing is lost or written twice, but time.from: timestamp, or a field, puts them where they belong.", source)
	case "event":
		a.s.Time.From = "timestamp"
	default:
		return fmt.Errorf("%s is %q; it is wallclock or event", source, kind)
	}
	return nil
}

// sink finds settings of bucket and objects.
func (a *aiven) sink() {
	for _, names := range [][3]string{{"bucket", "aws.s3.bucket.name", "aws_s3_bucket"}, {"region", "aws.s3.region", "aws_s3_region"}} {
		if text := a.p.get(names[1], a.p.get(names[2], "")); text != "" {
			a.s.set(names[0], text)
		}
	}
	if url := a.p.get("aws.s3.endpoint", a.p.get("aws_s3_endpoint", "")); url != "" {
		a.s.set("endpoint", url)
		a.s.setRaw("path_style", "true")
	}
	a.s.encryption(a.p.get("aws.s3.sse.algorithm", ""), "")
	if n := a.p.number("aws.s3.part.size.bytes"); n > 0 {
		a.s.setRaw("part_size", connector.Bytes(n).String())
	}
	if arn := a.p.get("aws.sts.role.arn", ""); arn != "" {
		a.s.setRaw("assume_role", "{arn: "+quote(arn)+"}")
	}
	a.s.credentials(a.p, "aws.access.key.id", "aws.secret.access.key", "aws_access_key_id", "aws_secret_access_key", "aws.credentials.provider", "aws.sts.role.external.id")
	a.s.Rotate.Records = a.p.number("file.max.records")
	a.s.Rotate.Age = a.p.millis("offset.flush.interval.ms")
	if a.s.Rotate.Age == 0 {
		a.s.Rotate.Age = connector.Duration(time.Minute)
		a.s.note("A file is closed at each offset.flush.interval.ms of the Connect worker, which is 60s unless it is set there.")
	}
}
