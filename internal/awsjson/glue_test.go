package awsjson

import (
	"testing"

	"github.com/millrace/millrace/connector"
)

// The codes of AWS Glue are those of each part, over what all parts share.
func TestGlue(t *testing.T) {
	clean(t)
	s := Glue(map[string]Verdict{"ConflictException": {Class: connector.Permanent}, "EntityNotFoundException": {Class: blocking, Hint: "look"}})
	c, err := Connect(t.Context(), s, user(), Options{Place: "database web"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for code, want := range map[string]Verdict{
		"OperationTimeoutException": {Class: transient}, "ConcurrentModificationException": {Class: transient, Hint: "somebody else is changing it"},
		"ConflictException": {Class: connector.Permanent}, "EntityNotFoundException": {Class: blocking, Hint: "look"},
		"AccessDeniedException": {Class: blocking, Hint: "the credentials need glue:GetTable on database web"},
	} {
		if got := c.Judge("GetTable", code); got != want {
			t.Errorf("%s: %v, want %v", code, got, want)
		}
	}
	if c.url != "https://glue.eu-west-1.amazonaws.com" {
		t.Errorf("at %s", c.url)
	}
}
