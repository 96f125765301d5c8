package keypair

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOrder(t *testing.T) {
	root := issue(t, "Root", nil)
	inter := issue(t, "Inter", &root)
	leaf := issue(t, "Leaf", &inter)
	other := issue(t, "Other", nil)
	impostor := issue(t, "Inter", &root) // the same name with another key
	for _, tt := range []struct {
		name  string
		chain []entity
		want  []string // of the error; nil where the chain is good
	}{
		{"leaf alone", []entity{leaf}, nil},
		{"without root", []entity{leaf, inter}, nil},
		{"whole", []entity{leaf, inter, root}, nil},
		{"upside down", []entity{root, inter, leaf}, []string{`certificate 1 ("CN=Root") stands first`, `belongs to certificate 3 ("CN=Leaf")`, "client certificate comes first"}},
		{"leaf in the middle", []entity{inter, leaf, root}, []string{`certificate 1 ("CN=Inter") stands first`, `certificate 2 ("CN=Leaf")`}},
		{"root before intermediate", []entity{leaf, root, inter}, []string{`certificate 2 ("CN=Root") stands where certificate 3 ("CN=Inter") should, the issuer of certificate 1 ("CN=Leaf")`}},
		{"intermediate missing", []entity{leaf, root}, []string{`certificate 2 ("CN=Root") isn't the issuer of certificate 1 ("CN=Leaf"), which is "CN=Inter"`, "end with certificate 1"}},
		{"something after the root", []entity{leaf, inter, root, other}, []string{`certificate 4 ("CN=Other") follows certificate 3 ("CN=Root"), which is self-signed`}},
		{"twice", []entity{leaf, inter, inter, root}, []string{`certificate 3 ("CN=Inter") is the same as certificate 2`}},
		{"leaf twice", []entity{leaf, leaf}, []string{`certificate 2 ("CN=Leaf") is the same as certificate 1`}},
		{"same name", []entity{leaf, impostor, root}, []string{`certificate 2 ("CN=Inter") has the name of the issuer of certificate 1`, "another key"}},
		{"another's", []entity{other}, []string{`private key doesn't belong to certificate 1 ("CN=Other")`}},
		{"another's, with a chain", []entity{inter, root}, []string{`private key doesn't belong to certificate 1 ("CN=Inter")`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var text strings.Builder
			var names []string
			for _, e := range tt.chain {
				text.WriteString(e.pem())
				names = append(names, e.cert.Subject.CommonName)
			}
			got, err := Parse([]byte(text.String()), []byte(leaf.keyPEM(t)), "")
			if tt.want == nil {
				wantPair(t, got, err, names...)
				return
			}
			wantProblem(t, err, tt.want...)
		})
	}
}

// A signature of a kind that Go refuses to verify says nothing: the names decide, and the server.
func TestOldSignature(t *testing.T) {
	got, err := Parse(fixture(t, "md5-chain.pem"), fixture(t, "ec.key"), "")
	wantPair(t, got, err, "Old Client", "Old Root")
	name := []byte("x")
	if !issued(&x509.Certificate{RawSubject: name}, &x509.Certificate{RawIssuer: name, SignatureAlgorithm: x509.UnknownSignatureAlgorithm}) {
		t.Error("a signature that isn't known is taken for a wrong one")
	}
}

// Authorities certify each other: a chain ends all the same.
func TestFollow(t *testing.T) {
	a := issue(t, "A", nil)
	b := issue(t, "B", nil)
	aByB, bByA := certify(t, "A", a.key, &b), certify(t, "B", b.key, &a)
	leaf := issue(t, "Leaf", &a)
	for _, tt := range []struct {
		name   string
		others []entity
		want   []entity
	}{
		{"circle", []entity{bByA, aByB}, []entity{leaf, aByB, bByA}},
		{"root", []entity{a, aByB, b}, []entity{leaf, a}},
		{"the longer way", []entity{aByB, b, a}, []entity{leaf, aByB, b}},
		{"nothing", nil, []entity{leaf}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var others, want []*x509.Certificate
			for _, e := range tt.others {
				others = append(others, e.cert)
			}
			for _, e := range tt.want {
				want = append(want, e.cert)
			}
			got := follow(leaf.cert, others)
			if !slices.EqualFunc(got, want, (*x509.Certificate).Equal) {
				t.Errorf("got %d certificates, to %s, want %d", len(got), at(got, len(got)-1), len(want))
			}
		})
	}
}

func TestKeyOfAnotherKind(t *testing.T) {
	_, err := Parse(fixture(t, "client.pem"), fixture(t, "ec.key"), "")
	wantProblem(t, err, `private key doesn't belong to certificate 1 ("CN=Test Client,O=Millrace")`)
}

func TestDates(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	good := valid(now.Add(-time.Hour), now.Add(time.Hour))
	past := valid(now.Add(-2*time.Hour), now.Add(-time.Hour))
	future := valid(now.Add(time.Hour), now.Add(2*time.Hour))
	for _, tt := range []struct {
		name              string
		root, inter, leaf func(*x509.Certificate)
		want              []string
	}{
		{"good", good, good, good, nil},
		{"expired", good, good, past, []string{`certificate 1 ("CN=Leaf") expired on 2026-05-04 02:02:01 UTC`, "renew"}},
		{"not yet", good, good, future, []string{`certificate 1 ("CN=Leaf") isn't valid before 2026-05-04 04:02:01 UTC`, "now it is 2026-05-04 03:02:01 UTC", "clock"}},
		{"intermediate expired", good, past, good, []string{`certificate 2 ("CN=Inter") expired on`}},
		{"root expired", past, good, good, nil},
		{"last moment", good, good, valid(now.Add(-time.Hour), now), nil},
		{"first moment", good, good, valid(now, now.Add(time.Hour)), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := issue(t, "Root", nil, tt.root)
			inter := issue(t, "Inter", &root, tt.inter)
			leaf := issue(t, "Leaf", &inter, tt.leaf)
			p, err := parsePEM([]byte(leaf.pem()+inter.pem()+root.pem()), []byte(leaf.keyPEM(t)), "")
			if err != nil {
				t.Fatal(err)
			}
			err = p.checkDates(now)
			if tt.want != nil {
				wantProblem(t, err, tt.want...)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestExpiredSelfSigned(t *testing.T) {
	e := issue(t, "Self", nil, valid(time.Unix(0, 0), time.Unix(60, 0)))
	_, err := e.parts(t).Parse()
	wantProblem(t, err, `certificate 1 ("CN=Self") expired on 1970-01-01 00:01:00 UTC`)
	_, _, err = ParsePKCS12(encodePKCS12(t, e), password)
	wantProblem(t, err, `certificate 1 ("CN=Self") expired on 1970-01-01 00:01:00 UTC`)
}

// Names are what their author likes: they come into logs on one line and not whole.
func TestNames(t *testing.T) {
	long := issue(t, "line\nbreak "+strings.Repeat("x", 1000), nil)
	nameless := issue(t, "", nil, func(c *x509.Certificate) { c.Subject = pkix.Name{} })
	got := at([]*x509.Certificate{long.cert, nameless.cert}, 0)
	if strings.Contains(got, "\n") || len(got) > 300 {
		t.Errorf("got %q", got)
	}
	if got := at([]*x509.Certificate{nameless.cert}, 0); got != `certificate 1 ("no subject, serial number 7")` {
		t.Errorf("got %q", got)
	}
}
