package eventbridge

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
)

// headersOf are the headers of an event, as JSON.
func headersOf(t *testing.T, mode string, headers ...connector.Header) string {
	t.Helper()
	r := rec1("1")
	r.Headers = headers
	var detail struct{ Headers json.RawMessage }
	got := eventOf(t, shapeOf(t, func(c *Config) { c.Headers = mode }), batchOf(t, r))
	if err := json.Unmarshal([]byte(got.Detail), &detail); err != nil {
		t.Fatal(err)
	}
	return string(detail.Headers)
}

func TestHeaders(t *testing.T) {
	got := headersOf(t, headersText, connector.Header{Name: "h", Value: []byte("v")}, connector.Header{Name: "", Value: []byte{}},
		connector.Header{Name: "h", Value: []byte("42")}, connector.Header{Name: `"é`}, connector.Header{Name: "b", Value: []byte{0, 0xff, 0xfe}})
	if want := `[{"h":"v"},{"":""},{"h":"42"},{"\"é":null},{"b":{"base64":"AP/+"}}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestGuess: what SimpleHeaderConverter makes of texts, where nothing is lost by it.
func TestGuess(t *testing.T) {
	for text, want := range map[string]string{
		"":                             `""`,
		" ":                            `" "`,
		"null":                         `null`,
		" true ":                       `true`,
		"false":                        `false`,
		"True":                         `"True"`,
		"truely":                       `"truely"`,
		"42":                           `42`,
		" 42 ":                         `42`,
		"+15551234567":                 `15551234567`,
		"-5":                           `-5`,
		"007":                          `7`,
		"-000":                         `-0`,
		"5.":                           `5`,
		"+.5":                          `0.5`,
		".5":                           `".5"`,
		"1.10":                         `1.10`,
		"1e3":                          `1e3`,
		"1E+3":                         `1e+3`,
		"0e-9":                         `0e-9`,
		"0.1234567890123456789":        `0.1234567890123456789`,
		"9223372036854775807":          `9223372036854775807`,
		"9223372036854775808":          `"9223372036854775808"`,
		"1e400":                        `"1e400"`,
		"1e-400":                       `"1e-400"`,
		"1e999999999":                  `"1e999999999"`,
		"1e":                           `"1e"`,
		"1e+":                          `"1e+"`,
		"+":                            `"+"`,
		"+-1":                          `"+-1"`,
		"-.":                           `"-."`,
		"1.2.3":                        `"1.2.3"`,
		"12.34.56.78":                  `"12.34.56.78"`,
		"1_000":                        `"1_000"`,
		"0x10":                         `"0x10"`,
		"1f":                           `"1f"`,
		"1,2":                          `"1,2"`,
		"NaN":                          `"NaN"`,
		"1970-01-02":                   `1`,
		"1969-12-31":                   `-1`,
		"2024-02-29":                   `19782`,
		"2024-02-30":                   `"2024-02-30"`,
		"14:34:54.346Z":                `52494346`,
		"24:34:54.346Z":                `"24:34:54.346Z"`,
		"2019-08-23T14:34:54.346Z":     `1566570894346`,
		"2019-08-23T14:34:54Z":         `"2019-08-23T14:34:54Z"`,
		"[]":                           `[]`,
		`[1,"a",null]`:                 `[1,"a",null]`,
		`{"a":{"b":[1.50]}}`:           `{"a":{"b":[1.50]}}`,
		`{"a":1} x`:                    `"{\"a\":1} x"`,
		`{"a":`:                        `"{\"a\":"`,
		`{a:1}`:                        `"{a:1}"`,
		`{"a":1,"a":2}`:                `"{\"a\":1,\"a\":2}"`,
		"\xff":                         `{"base64":"/w=="}`,
		"0." + strings.Repeat("1", 38): `0.` + strings.Repeat("1", 38),
		"0." + strings.Repeat("1", 39): `"0.` + strings.Repeat("1", 39) + `"`,
	} {
		if got := headersOf(t, headersConnect, connector.Header{Name: "h", Value: []byte(text)}); got != `[{"h":`+want+`}]` {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
