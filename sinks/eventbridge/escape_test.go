package eventbridge

import (
	"math/rand/v2"
	"testing"

	"github.com/millrace/millrace/serde"
)

// TestEscape compares with the escaping of any text, for all that JSON text can hold, at every place in a word.
func TestEscape(t *testing.T) {
	alphabet := []string{`"`, `\`, "\t", "\n", "\r", " ", "a", "0", "~", "\x7f", "é", "中", "😀"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var text []byte
		for range random.IntN(40) {
			text = append(text, alphabet[random.IntN(len(alphabet))]...)
		}
		want, err := serde.AppendString(nil, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(appendEscaped([]byte{'"'}, text)) + `"`; got != string(want) {
			t.Fatalf("%q: got %s, want %s", text, got, want)
		}
	}
}
