package main

import "fmt"

// A searchCase is a scope to search exhaustively.
type searchCase struct {
	name  string
	about string
	small bool // it is a test
	scope scope
}

// searchCases are new scopes, to be used once.
func searchCases() []searchCase {
	two := func(log string, l limits) scope {
		return scope{log: parse(log), paths: 2, procs: 2, size: 9, plans: 2, unique: true, first: -1, limits: l}
	}
	with := func(s scope, change func(*scope)) scope {
		change(&s)
		return s
	}
	cleaning := func(s *scope) { s.clean = true }
	again := func(s *scope) { s.again = 1 }
	fixed := func(s *scope) { s.unique, s.again = false, 1 }
	three := func(s *scope) { s.procs = 3 }
	return []searchCase{
		{"doubt", "3 records, crash, doubt; a repeated Complete finds no upload", true, with(two("0f1", limits{crashes: 1, doubts: 1}), again)},
		{"trim", "3 records, crash, doubt, trim", true, two("0f1", limits{crashes: 1, doubts: 1, trims: 1})},
		{"position", "3 records, crash, doubt; keys by position", true, with(two("0(01)1", limits{crashes: 1, doubts: 1}), fixed)},
		{"clean", "3 records, crash, doubt, cleaning", true, with(two("0f1", limits{crashes: 1, doubts: 1}), cleaning)},
		{"bury", "3 records, crash, doubt, one buried", true, two("0b1", limits{crashes: 1, doubts: 1})},
		{"expire", "2 records, crash, expiry, new plan, seal", true, two("0(01)", limits{crashes: 1, expiries: 1, plans: 1, seals: 1})},
		{"forget", "2 records, doubt, seal, objects of older links deleted", true, two("01", limits{doubts: 1, seals: 1, forgets: 1})},
		{"rewind", "2 records, crash, rewind", true, two("01", limits{crashes: 1, rewinds: 1})},
		{"three", "2 records, THREE processes, crash, doubt", true, with(two("01", limits{crashes: 1, doubts: 1}), three)},
		{"crashes", "5 records, 2 crashes, doubt", false, two("0f(01)f1", limits{crashes: 2, doubts: 1})},
		{"doubts", "4 records, 2 crashes, 2 doubts", false, two("0f1f", limits{crashes: 2, doubts: 2})},
		{"plan", "4 records, crash, cleaning, new plan", false, with(two("0f1(01)", limits{crashes: 1, plans: 1}), cleaning)},
		{"rewinds", "3 records, crash, doubt, rewind", false, two("0f1", limits{crashes: 1, doubts: 1, rewinds: 1})},
		{"expiry", "3 records, crash, doubt, expiry, new plan", false, two("0f(01)", limits{crashes: 1, doubts: 1, expiries: 1, plans: 1})},
		{"threes", "3 records, THREE processes, crash, doubt", false, with(two("0f1", limits{crashes: 1, doubts: 1}), three)},
		{"paths", "5 records, 3 paths, buried, 2 crashes, doubt", false, with(two("0b(012)f2", limits{crashes: 2, doubts: 1}), func(s *scope) { s.paths = 3 })},
	}
}

// findCase returns the case of a name.
func findCase(name string) (*searchCase, error) {
	all := searchCases()
	names := ""
	for i := range all {
		if all[i].name == name {
			return &all[i], nil
		}
		names += " " + all[i].name
	}
	return nil, fmt.Errorf("there is no case %q: choose one of%s, or all", name, names)
}
