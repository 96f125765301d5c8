package main

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

const plainDecode = `name: cars
source: {kafka: {brokers: localhost:1, topics: [cars.gps.json]}}
decode: {key: string, value: json}
sink: stdout
`

func TestDecode(t *testing.T) {
	file := write(t, plainDecode)
	good, bad := `{"n":9007199254740993,"a":"<é>"}`, "\x03\x00broken"
	lines := strings.Join([]string{
		base64.StdEncoding.EncodeToString([]byte(good)), "", "  " + base64.RawURLEncoding.EncodeToString([]byte(good)),
		base64.StdEncoding.EncodeToString([]byte(bad)), base64.StdEncoding.EncodeToString([]byte("1")),
	}, "\n")
	code, out, errs := millrace(t, plugins(), lines, "decode", file)
	if code != exitFailed || out != good+"\n"+good+"\n1\n" {
		t.Errorf("exit %d, printed %s", code, out)
	}
	if !strings.Contains(errs, "line 4: invalid JSON at byte 0") || !strings.Contains(errs, "1 record of 4 can't be decoded") {
		t.Error(errs)
	}
	code, out, _ = millrace(t, plugins(), lines, "decode", "--json", file)
	if all := strings.Split(out, "\n"); code != exitFailed || len(all) != 5 || all[0] != `{"record":"line 1","value":`+good+`}` || !strings.HasPrefix(all[2], `{"record":"line 4","error":"invalid JSON`) {
		t.Error(code, out)
	}
	code, out, errs = millrace(t, plugins(), hex.EncodeToString([]byte("car-1")), "decode", "--hex", "--keys", file)
	if code != exitDone || out != "\"car-1\"\n" {
		t.Error(code, out, errs)
	}
}

func TestWrongDecode(t *testing.T) {
	file := write(t, plainDecode)
	for _, tt := range []struct {
		in, want string
		args     []string
	}{
		{"{}", "line 1: not base64; --hex takes", nil},
		{"xyz", "line 1: not hexadecimal", []string{"--hex"}},
		{"", "no values on the standard input", nil},
		{"", "--live at most 10000", []string{"--live", "10001"}},
		{"", "--live excludes --keys", []string{"--live", "1", "--keys"}},
		{"", "--timeout must be above 0", []string{"--timeout", "0s"}},
		{"", `no connector "x"`, []string{"--connector", "x"}},
	} {
		code, _, errs := millrace(t, plugins(), tt.in, append([]string{"decode", file}, tt.args...)...)
		if code == exitDone || !strings.Contains(errs, tt.want) {
			t.Errorf("%q %v: exit %d, %s", tt.in, tt.args, code, errs)
		}
	}
}

func TestPreviewBase64(t *testing.T) {
	file := write(t, plainDecode)
	value := base64.StdEncoding.EncodeToString([]byte(`{"a":1}`))
	for _, args := range [][]string{{"--base64"}, {"--records"}} {
		in := value
		if args[0] == "--records" {
			in = `{"base64":"` + value + `"}`
		}
		code, out, errs := millrace(t, plugins(), in, append([]string{"preview", file}, args...)...)
		if code != exitDone || !strings.Contains(out, `value      {"a":1}`) {
			t.Errorf("%v: exit %d, %s %s", args, code, out, errs)
		}
	}
	for in, args := range map[string][]string{"{}": {"--base64"}, `{"base64":"{}"}`: {"--records"}, `{"base64":"","text":""}`: {"--records"}, value: {"--base64", "--records"}} {
		if code, out, _ := millrace(t, plugins(), in, append([]string{"preview", file}, args...)...); code == exitDone {
			t.Errorf("%s %v: %s", in, args, out)
		}
	}
}
