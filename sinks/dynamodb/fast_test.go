package dynamodb

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/millrace/millrace/connector"
)

// TestUnprocessed: only the records of what DynamoDB gives back are failed, those among them that were replaced in the batch, too.
func TestUnprocessed(t *testing.T) {
	d := newDouble(t)
	s := open(t, config(d.URL, deleting))
	d.skip = func(key string) bool { return key == "b" || key == "d" }
	errs, err := try(t, s, origin{},
		rec{key: "a", value: `{"n":1}`}, rec{key: "b", value: `{"n":1}`, offset: 1}, rec{key: "b", value: `{"n":2}`, offset: 2},
		rec{key: "d", value: `{"n":1}`, offset: 3}, rec{key: "d", offset: 4}, rec{key: "a", value: `{"n":2}`, offset: 5}, rec{key: "c", value: `{"n":1}`, offset: 6})
	if err != nil {
		t.Fatal(err)
	}
	for i, failed := range []bool{false, true, true, true, true, false, false} {
		if (errs[i] != nil) != failed {
			t.Errorf("record %d: %v", i, errs[i])
		}
		if failed && (connector.ClassOf(errs[i]) != connector.Retryable || !strings.Contains(errs[i].Error(), "capacity")) {
			t.Errorf("record %d: %v", i, errs[i])
		}
	}
	if got, want := fmt.Sprint(d.plain("")), "map[a:map[n:2] c:map[n:1]]"; got != want {
		t.Errorf("items %s, want %s", got, want)
	}
	d.set(func(d *double) { d.skip = nil })
	load(t, s, origin{}, rec{key: "b", value: `{"n":1}`, offset: 1}, rec{key: "b", value: `{"n":2}`, offset: 2}, rec{key: "d", value: `{"n":1}`, offset: 3}, rec{key: "d", offset: 4})
	if got, want := fmt.Sprint(d.plain("")), "map[a:map[n:2] b:map[n:2] c:map[n:1]]"; got != want {
		t.Errorf("items %s, want %s", got, want)
	}
}

// TestUnprocessedKeys: DynamoDB may write a key in another way than we did.
func TestUnprocessedKeys(t *testing.T) {
	for kind, answers := range map[string][]string{
		"N": {`{"id":{"N":"15"},"x":{"S":"y"}}`, `{"id":{"N":"15.0"}}`, `{"id":{"N":"1.5E+1"}}`, `{"x":{"M":{"id":{"N":"1"}}},"id":{"N":"0015e0"}}`},
		"S": {`{"id":{"S":"ä\"<"}}`, `{"id":{"S":"\u00e4\u0022\u003c"}}`},
	} {
		for _, answer := range answers {
			d := newDouble(t)
			d.describe = strings.Replace(table, `"AttributeType":"S"`, `"AttributeType":"`+kind+`"`, 1)
			s := open(t, config(d.URL, func(c *Config) { c.Key[0].Rule = "value.id" }))
			text, bad := `{"id":"ä\"<"}`, strings.HasPrefix(answer, `{"x":`)
			if kind == "N" {
				text = `{"id":1.50e1}`
			}
			d.once(http.StatusOK, `{"UnprocessedItems":{"trips":[{"PutRequest":{"Item":`+answer+`}}]}}`)
			errs, err := try(t, s, origin{}, rec{value: text}, rec{value: strings.NewReplacer("1.50e1", "3", "ä", "a").Replace(text), offset: 1})
			if firstOf(err, errs[0]) == nil || (firstOf(err, errs[1]) != nil) != bad {
				t.Errorf("%s: %v, %v", answer, errs, err)
			}
		}
	}
}

// TestForeignAnswers: what can't be understood counts as not written.
func TestForeignAnswers(t *testing.T) {
	for _, answer := range []string{
		`<html>sign in</html>`, `{}`, `[]`, `{"UnprocessedItems":`, `{"UnprocessedItems":null}`, `{"UnprocessedItems":{"trips":[{}]}}`,
		`{"UnprocessedItems":{"trips":[{"PutRequest":{"Item":{"id":{"S":"somebody"}}}}]}}`, `{"UnprocessedItems":{"trips":[{"DeleteRequest":{"Key":{"id":{"X":"a"}}}}]}}`,
	} {
		d := newDouble(t)
		s := open(t, config(d.URL))
		d.once(http.StatusOK, answer)
		errs, err := try(t, s, origin{}, rec{key: "a", value: `{}`}, rec{key: "b", value: `{}`})
		for i := range errs {
			if e := firstOf(err, errs[i]); e == nil || connector.ClassOf(e) != connector.Retryable {
				t.Errorf("%s: %v, %v", answer, errs[i], err)
			}
		}
	}
	d := newDouble(t)
	s := open(t, config(d.URL, newest))
	d.once(http.StatusOK, `<html>sign in</html>`)
	if errs, err := try(t, s, origin{}, rec{key: "a", value: `{}`}); firstOf(err, errs[0]) == nil {
		t.Error("an answer that isn't DynamoDB's counts as written")
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestSpacedAnswer: nothing is unprocessed, however that is written.
func TestSpacedAnswer(t *testing.T) {
	d := newDouble(t)
	s := open(t, config(d.URL))
	d.once(http.StatusOK, `{ "UnprocessedItems" : { } }`)
	load(t, s, origin{}, rec{key: "a", value: `{}`})
}

// TestBatches: no request has more than 25 items, or more than 16 MB.
func TestBatches(t *testing.T) {
	s, err := config("http://localhost:1").compile()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		records     int
		value, want string
	}{
		{60, `{}`, "[25 25 10]"},
		{14, `{"t":"` + strings.Repeat(`\u0001`, 390_000) + `"}`, "[6 6 2]"},
	} {
		var recs []rec
		for i := range tc.records {
			recs = append(recs, rec{key: fmt.Sprint(i), value: tc.value, offset: int64(i)})
		}
		rs := &rows{}
		s.readAll(rs, batch(t, origin{}, recs...))
		var got []int
		for from := 0; from < len(rs.keys); {
			to := s.fillBatch(rs, from)
			got = append(got, to-from)
			if from = to; len(rs.body) > 16<<20 {
				t.Errorf("a request has %d bytes", len(rs.body))
			}
		}
		if fmt.Sprint(got) != tc.want {
			t.Errorf("requests of %v items, want %s", got, tc.want)
		}
	}
}

// TestWholeBatchRefused: DynamoDB doesn't say which item it refuses, so that they have to come one by one.
func TestWholeBatchRefused(t *testing.T) {
	d := newDouble(t)
	s := open(t, config(d.URL))
	invalid := fault(codeValidation, "One or more parameter values were invalid: Type mismatch for Index Key n Expected: S Actual: N IndexName: byN")
	d.once(http.StatusBadRequest, invalid)
	_, err := try(t, s, origin{}, rec{key: "a", value: `{}`}, rec{key: "b", value: `{}`})
	if connector.ClassOf(err) != connector.Permanent {
		t.Errorf("got %v, want an error of the whole Load, of class permanent", err)
	}
	// Of one item it is known; what it replaced has to come again.
	d.once(http.StatusBadRequest, invalid)
	errs, err := try(t, s, origin{}, rec{key: "a", value: `{"n":1}`}, rec{key: "a", value: `{"n":2}`, offset: 1})
	if err != nil || connector.ClassOf(errs[1]) != connector.Permanent || errs[0] == nil || connector.ClassOf(errs[0]) != connector.Retryable {
		t.Errorf("got %v, %v", errs, err)
	}
}

// TestThrottledBatch: what has no capacity slows only its own records; what is nobody's own is an error of the whole.
func TestThrottledBatch(t *testing.T) {
	for code, whole := range map[string]bool{
		"ProvisionedThroughputExceededException": false, "ThrottlingException": false, "RequestLimitExceeded": true, "InternalServerError": true,
		codeNoTable: true, "AccessDeniedException": true,
	} {
		d := newDouble(t)
		s := open(t, config(d.URL))
		d.once(http.StatusBadRequest, fault(code, "no"))
		errs, err := try(t, s, origin{}, rec{key: "a", value: `{}`}, rec{key: "b", value: `{}`})
		if (err != nil) != whole || (errs[0] == nil || errs[1] == nil) != whole {
			t.Errorf("%s: %v, %v", code, errs, err)
		}
	}
}
