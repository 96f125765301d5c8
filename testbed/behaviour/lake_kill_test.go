//go:build testbed

package behaviour

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/millrace/millrace/testbed"
)

// download copies the bucket's data into a folder, under the same names.
func (l *lake) download() (dir string) {
	l.t.Helper()
	dir = l.t.TempDir()
	client := l.s3.Client(l.t)
	for _, key := range l.objects() {
		got, err := client.GetObject(l.t.Context(), &s3.GetObjectInput{Bucket: &l.bucket, Key: &key})
		if err != nil {
			l.t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			l.t.Fatal(err)
		}
		f, err := os.Create(path)
		if err != nil {
			l.t.Fatal(err)
		}
		_, err = io.Copy(f, got.Body)
		got.Body.Close()
		if closing := f.Close(); err == nil {
			err = closing
		}
		if err != nil {
			l.t.Fatalf("download %s: %v", key, err)
		}
	}
	return dir
}

// A parquetCount is what DuckDB counts in Parquet files.
type parquetCount struct {
	Files, Rows, Distinct int64
	Least, Most           int64 // seq
	Disorder              int64 // rows whose seq isn't above that of the row before, in their file
	Misplaced             int64 // rows that aren't in the folder of their value
}

// countParquet is countKinds for Parquet, by DuckDB: it reads no links, and nothing of ours.
func (l *lake) countParquet(n int64) {
	l.t.Helper()
	var c parquetCount
	testbed.ReadLake(l.t, &c, "count", l.download(), "kind")
	lost, repeated := n-c.Distinct, c.Rows-c.Distinct
	l.t.Logf("%d files, %d rows: %d lost, %d repeated, %d out of order, %d in the wrong folder", c.Files, c.Rows, lost, repeated, c.Disorder, c.Misplaced)
	if lost != 0 || repeated != 0 || c.Least != 0 || c.Most != n-1 || c.Disorder != 0 || c.Misplaced != 0 {
		l.t.Errorf("the bucket doesn't hold each record exactly once: %+v", c)
	}
	if kept := l.keptColumns(); len(kept) != 1 {
		l.t.Errorf("the columns are kept in %q, want one object", kept)
	}
}

// keptColumns are the keys under which inferred columns are kept.
func (l *lake) keptColumns() (keys []string) {
	l.t.Helper()
	for _, key := range l.keys("") {
		if strings.HasSuffix(key, "/columns.json") {
			keys = append(keys, key)
		}
	}
	return keys
}
