package parquet

import (
	"bytes"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"github.com/millrace/millrace/serde"
)

// Whatever a file holds, reading it ends in rows or an error, within memory that its length bounds.
func FuzzRead(f *testing.F) {
	for _, version := range []int{1, 2} {
		f.Add(oracleFile(f, oracleRows(3), pq.DataPageVersion(version)))
	}
	f.Add(oracleFile(f, oracleRows(2), pq.Compression(&pq.Gzip)))
	f.Add(oracleFile(f, oracleRows(2), pq.Compression(&pq.Zstd)))
	f.Add(oracleFile(f, oracleRows(2), pq.Compression(&pq.Snappy)))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		defer r.Close()
		tape := serde.NewTape()
		for range 100 {
			tape.Reset()
			v, err := r.Read(tape)
			if err != nil {
				if _, again := r.Read(tape); again == nil {
					t.Fatal("a row comes behind an error")
				}
				return
			}
			if v.Kind() != serde.Object {
				t.Fatal(v.Kind())
			}
			_, _ = v.AppendJSON(nil) // NaN has no JSON
		}
	})
}
