package secret_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector/secret"
)

func TestTextsPrintMasked(t *testing.T) {
	s := secret.New("canary")
	shown := struct{ Password secret.Text }{s}
	hidden := struct{ password secret.Text }{s}
	encoded, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(s), fmt.Sprintf("%s", s), fmt.Sprintf("%v", s), fmt.Sprintf("%q", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%+v", s),
		fmt.Sprintf("%v", shown), fmt.Sprintf("%+v", shown), fmt.Sprintf("%#v", shown), fmt.Sprint(&shown),
		string(encoded), s.LogValue().String(), fmt.Sprint(errors.New(s.String())),
	} {
		if strings.Contains(text, "canary") || !strings.Contains(text, "***") {
			t.Errorf("a secret prints as %s", text)
		}
	}
	// fmt calls no methods of an unexported field.
	for _, text := range []string{fmt.Sprint(hidden), fmt.Sprintf("%+v", hidden), fmt.Sprintf("%#v", hidden), fmt.Sprintf("%x", s), fmt.Sprintf("%d", s)} {
		if strings.Contains(text, "canary") || strings.Contains(text, "63616e617279") {
			t.Errorf("a secret prints as %s", text)
		}
	}
}

// place is a Source whose text changes when it is refused.
type place struct{ texts []string }

func (p *place) String() string { return "secret db, field password" }

func (p *place) Read(_ context.Context, refused string) (string, error) {
	if len(p.texts) == 0 {
		return "", errors.New("access denied")
	}
	if refused == p.texts[0] && len(p.texts) > 1 {
		p.texts = p.texts[1:]
	}
	return p.texts[0], nil
}

func TestTextsAreRead(t *testing.T) {
	at := &place{texts: []string{"old", "new"}}
	for _, tt := range []struct {
		name    string
		text    secret.Text
		refused string
		want    string
	}{
		{"none", secret.Text{}, "", ""},
		{"empty", secret.New(""), "", ""},
		{"written", secret.New("x"), "", "x"},
		{"written, refused", secret.New("x"), "x", "x"},
		{"kept", secret.From(at), "", "old"},
		{"kept, refused", secret.From(at), "old", "new"},
		{"kept, another refused", secret.From(at), "old", "new"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.text.Renew(t.Context(), tt.refused)
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
	if _, err := secret.From(&place{}).Read(t.Context()); err == nil || err.Error() != "read secret db, field password: access denied" {
		t.Errorf("error %v", err)
	}
}

func TestTextsCompare(t *testing.T) {
	at := &place{}
	if !reflect.DeepEqual(secret.New("a"), secret.New("a")) || reflect.DeepEqual(secret.New("a"), secret.New("b")) {
		t.Error("texts aren't compared by what they hold")
	}
	if !reflect.DeepEqual(secret.From(at), secret.From(at)) {
		t.Error("texts of one place differ")
	}
	if secret.New("").IsSet() || !secret.New("a").IsSet() || !secret.From(at).IsSet() {
		t.Error("IsSet")
	}
	if _, ok := secret.From(at).Known(); ok {
		t.Error("a text that must be read is known")
	}
	var decoded secret.Text
	if err := json.Unmarshal([]byte(`"x"`), &decoded); err != nil || !reflect.DeepEqual(decoded, secret.New("x")) {
		t.Errorf("decoded %#v, %v", decoded, err)
	}
}
