package eventbridge

import "encoding/json"

// An answer is that of PutEvents: an entry for each of the request, in its order.
type answer struct {
	FailedEntryCount int
	Entries          []result
}

// A result has an EventID, or says why not.
type result struct {
	EventID                 string `json:"EventId"`
	ErrorCode, ErrorMessage string
}

// accepted reports whether an answer says, in the very form that EventBridge writes, that all of n entries were taken. What is in another form has to be parsed,
// which takes many times as long (BenchmarkAnswer).
func accepted(reply []byte, n int) bool {
	end := `],"FailedEntryCount":0}`
	rest, ok := after(reply, `{"Entries":[`)
	if !ok {
		end = `]}`
		if rest, ok = after(reply, `{"FailedEntryCount":0,"Entries":[`); !ok {
			return false
		}
	}
	for i := range n {
		if i > 0 {
			if rest, ok = after(rest, ","); !ok {
				return false
			}
		}
		if rest, ok = after(rest, `{"EventId":"`); !ok {
			return false
		}
		id := 0
		for id < len(rest) && plain(rest[id]) {
			id++
		}
		if rest, ok = after(rest[id:], `"}`); !ok || id == 0 {
			return false
		}
	}
	return string(rest) == end
}

// after is what stands behind a prefix.
func after(text []byte, prefix string) ([]byte, bool) {
	if len(text) < len(prefix) || string(text[:len(prefix)]) != prefix {
		return nil, false
	}
	return text[len(prefix):], true
}

// plain: c is one of a UUID's.
func plain(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-'
}

// parse reads an answer to n entries. One that leaves open what became of an entry is an error.
func (s *Sink) parse(reply []byte, n int) ([]result, error) {
	var a answer
	if err := json.Unmarshal(reply, &a); err != nil {
		return nil, s.unclear("%v", err)
	}
	if len(a.Entries) != n {
		return nil, s.unclear("it has %d entries, to %d", len(a.Entries), n)
	}
	failed := 0
	for _, r := range a.Entries {
		if r.ErrorCode != "" || r.EventID == "" {
			failed++
		}
	}
	if a.FailedEntryCount > failed {
		return nil, s.unclear("it says that %d entries failed, and shows %d", a.FailedEntryCount, failed)
	}
	return a.Entries, nil
}

// err is what a result says of its entry, nil if it was taken.
func (s *Sink) err(r result) error {
	switch {
	case r.ErrorCode != "":
		v := s.client.Judge(opPut, r.ErrorCode)
		text := opPut + " on " + s.place + ": " + r.ErrorCode
		if r.ErrorMessage != "" {
			text += ": " + r.ErrorMessage
		}
		if v.Hint != "" {
			text += " (" + v.Hint + ")"
		}
		return v.Class.Errorf("%s", text)
	case r.EventID == "":
		return s.unclear("an entry has neither EventId nor ErrorCode")
	}
	return nil
}
