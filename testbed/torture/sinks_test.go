//go:build testbed

package torture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/gzip"

	"github.com/millrace/millrace/internal/parquet"
	"github.com/millrace/millrace/serde"
	"github.com/millrace/millrace/testbed"
)

// A sink is a place that a connector of the rig writes to.
type sink interface {
	name() string
	open(r *rig)         // makes the place; once, before all others
	yaml(r *rig) string  // the connector's settings besides name and source
	count(r *rig) Counts // compares what it holds with r.truth
}

// objects is S3, as JSON lines or Parquet.
type objects struct {
	format string
	s3     *testbed.S3
	bucket string
	faults *httpFaults // before the server
	via    string      // URL that the processes use, in place of faults
}

// newLines is S3 with gzip'd JSON lines, a folder for each partition.
func newLines() *objects { return &objects{format: "json"} }

// newParquet is S3 with Parquet in three folders, so that each range has up to three objects.
func newParquet() *objects { return &objects{format: "parquet"} }

func (o *objects) name() string {
	if o.format == "json" {
		return "s3-lines"
	}
	return "s3-parquet"
}

func (o *objects) open(r *rig) {
	o.s3 = testbed.S3Server(r.t)
	o.bucket = o.s3.Bucket(r.t)
	o.faults = newHTTPFaults(r, o.s3.Endpoint, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`)
	o.via = o.faults.url
}

func (o *objects) yaml(*rig) string {
	layout := `path: "{topic}/{partition}/"`
	if o.format == "parquet" {
		layout = `path: "{topic}/fold={value.fold}/", format: parquet`
	}
	return fmt.Sprintf(`sink: {s3: {bucket: %s, region: %s, endpoint: %q, path_style: true, access_key: %s, secret_key: %s, rotate: {age: 1s}, %s}}`,
		o.bucket, o.s3.Region, o.via, o.s3.AccessKey, o.s3.SecretKey, layout)
}

func (o *objects) count(r *rig) Counts {
	r.t.Helper()
	counted := NewAppended(r.truth, All)
	client := o.s3.Client(r.t)
	for _, key := range o.keys(r, client) {
		got, err := client.GetObject(r.t.Context(), &s3.GetObjectInput{Bucket: &o.bucket, Key: &key})
		if err != nil {
			r.t.Fatal(err)
		}
		data, err := io.ReadAll(got.Body)
		got.Body.Close()
		if err == nil && o.format == "parquet" {
			err = addParquet(counted, path.Dir(key), data)
		} else if err == nil {
			err = addLines(counted, path.Dir(key), data)
		}
		if err != nil {
			r.t.Fatalf("object %s: %v", key, err)
		}
	}
	c := counted.Done()
	o.via = o.s3.Endpoint // verify meets no faults
	c.Unproven = r.verify(o)
	return c
}

// keys are those of the data, by name, the links apart.
func (o *objects) keys(r *rig, client *s3.Client) (keys []string) {
	r.t.Helper()
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &o.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(r.t.Context())
		if err != nil {
			r.t.Fatal(err)
		}
		for i := range page.Contents {
			if key := aws.ToString(page.Contents[i].Key); !strings.Contains(key, "_millrace/") {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return keys
}

// addLines adds the rows of a file of gzip'd JSON lines.
func addLines(counted *Appended, folder string, data []byte) error {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		p, whole := ParsePayload(line)
		counted.Add(folder, p, whole)
	}
	return nil
}

// addParquet adds the rows of a Parquet file.
func addParquet(counted *Appended, folder string, data []byte) error {
	rows, err := parquet.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	defer rows.Close()
	var tape serde.Tape
	var text []byte
	for {
		tape.Reset()
		row, err := rows.Read(&tape)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			text, err = row.AppendJSON(text[:0])
		}
		if err != nil {
			return err
		}
		p, whole := ParsePayload(text)
		counted.Add(folder, p, whole)
	}
}

// files is a folder of gzip'd JSON lines.
type files struct{ dir string }

func newFiles() *files { return &files{} }

func (*files) name() string { return "files" }

func (f *files) open(r *rig) { f.dir = filepath.Join(r.dir, "files") }

func (f *files) yaml(*rig) string {
	return fmt.Sprintf(`sink: {file: {dir: %q, path: "{topic}/{partition}/", rotate: {size: 1MiB, age: 1s}}}`, f.dir)
}

func (f *files) count(r *rig) Counts { return f.countThose(r, All) }

// countThose counts the records that are wanted.
func (f *files) countThose(r *rig, want func(seq int64) bool) Counts {
	r.t.Helper()
	counted := NewAppended(r.truth, want)
	err := filepath.WalkDir(f.dir, func(name string, d fs.DirEntry, err error) error { // by name
		if err != nil {
			return err
		}
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") || d.Name() == "_millrace" {
				return filepath.SkipDir
			}
			return nil
		}
		data, err := os.ReadFile(name)
		if err == nil {
			err = addLines(counted, filepath.Dir(name), data)
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	c := counted.Done()
	c.Unproven = r.verify(f)
	return c
}

// verify is how many problems millrace verify --deep finds in a sink's chain.
func (r *rig) verify(s sink) int64 {
	r.t.Helper()
	file := filepath.Join(r.dir, "verify.yaml")
	if err := os.WriteFile(file, []byte(r.config(0)), 0o600); err != nil {
		r.t.Fatal(err)
	}
	var said, complaints bytes.Buffer
	cmd := exec.CommandContext(r.t.Context(), r.binary, "verify", file, "--connector", r.group(s), "--deep", "--json")
	cmd.Stdout, cmd.Stderr = &said, &complaints
	err := cmd.Run()
	var found struct {
		OK     bool `json:"ok"`
		Chains []struct {
			Problems []json.RawMessage `json:"problems"`
		} `json:"chains"`
	}
	if bad := json.Unmarshal(said.Bytes(), &found); bad != nil {
		r.t.Fatalf("millrace verify: %v, %v: %s%s", err, bad, said.Bytes(), complaints.Bytes())
	}
	problems := int64(0)
	for _, c := range found.Chains {
		for _, p := range c.Problems {
			if problems++; problems <= 5 {
				r.t.Logf("%s: millrace verify: %s", s.name(), p)
			}
		}
	}
	if !found.OK && problems == 0 {
		problems = 1
	}
	return problems
}
