package archtest

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// literals calls f with every composite literal of a package's type, such as tls.Config{...}, in what ships.
func literals(t *testing.T, f func(p pkg, pkgName, typeName string, lit *ast.CompositeLit)) {
	t.Helper()
	for _, p := range packages(t) {
		if underAny(p.path(), []string{"testbed", "bench"}) {
			continue
		}
		for _, file := range parse(t, p) {
			ast.Inspect(file, func(n ast.Node) bool {
				lit, ok := n.(*ast.CompositeLit)
				if !ok {
					return true
				}
				if sel, ok := lit.Type.(*ast.SelectorExpr); ok {
					if x, ok := sel.X.(*ast.Ident); ok {
						f(p, x.Name, sel.Sel.Name, lit)
					}
				}
				return true
			})
		}
	}
}

// sets reports whether a literal gives a field.
func sets(lit *ast.CompositeLit, field string) bool {
	return slices.ContainsFunc(lit.Elts, func(e ast.Expr) bool {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return false
		}
		key, ok := kv.Key.(*ast.Ident)
		return ok && key.Name == field
	})
}

// Nothing turns the verification of certificates off, or replaces it, and nothing speaks less than TLS 1.2.
func TestTLSIsVerified(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range parse(t, p) {
			ast.Inspect(f, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && (id.Name == "InsecureSkipVerify" || id.Name == "VerifyPeerCertificate" || id.Name == "VerifyConnection") {
					t.Errorf("%s: %s", fset.Position(id.Pos()), id.Name)
				}
				return true
			})
		}
	}
	seen := 0
	literals(t, func(_ pkg, pkgName, typeName string, lit *ast.CompositeLit) {
		if pkgName == "tls" && typeName == "Config" {
			seen++
			if !sets(lit, "MinVersion") {
				t.Errorf("%s: a tls.Config without MinVersion", fset.Position(lit.Pos()))
			}
		}
	})
	if seen == 0 {
		t.Error("no tls.Config was found: look at how they are made")
	}
}

// Each call to a bucket says whose the bucket must be.
func TestBucketOwnerOnEveryCall(t *testing.T) {
	seen := 0
	literals(t, func(p pkg, pkgName, typeName string, lit *ast.CompositeLit) {
		if pkgName != "awss3" || !strings.HasSuffix(typeName, "Input") {
			return
		}
		seen++
		if !sets(lit, "ExpectedBucketOwner") {
			t.Errorf("%s: %s in %s without ExpectedBucketOwner", fset.Position(lit.Pos()), typeName, p.path())
		}
	})
	if seen < 8 {
		t.Errorf("%d calls of S3 were found, want at least 8", seen)
	}
}

// Rights whose names aren't those of the API's operations (Service Authorization Reference).
var rights = map[string]string{
	"CreateMultipartUpload":           "s3:PutObject",
	"UploadPart":                      "s3:PutObject",
	"CompleteMultipartUpload":         "s3:PutObject",
	"ListObjectsV2":                   "s3:ListBucket",
	"HeadObject":                      "s3:GetObject",
	"ListParts":                       "s3:ListMultipartUploadParts",
	"GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
	"GetCallerIdentity":               "", // nobody needs a right for it
}

// The page on security names every right that a call of AWS needs.
func TestRightsAreDocumented(t *testing.T) {
	page := securityPage(t)
	services := map[string]string{"awss3": "s3", "kafka": "kafka", "awskafka": "kafka", "secretsmanager": "secretsmanager", "sts": "sts"}
	seen := map[string]bool{}
	literals(t, func(_ pkg, pkgName, typeName string, lit *ast.CompositeLit) {
		operation, ok := strings.CutSuffix(typeName, "Input")
		service := services[pkgName]
		if !ok || service == "" {
			return
		}
		right, other := rights[operation]
		if !other {
			right = service + ":" + operation
		}
		if right == "" || seen[right] {
			return
		}
		seen[right] = true
		if !strings.Contains(page, "`"+right+"`") {
			t.Errorf("%s: %s isn't in docs/security.md", fset.Position(lit.Pos()), right)
		}
	})
	if len(seen) < 6 {
		t.Errorf("only %d rights were found: %v", len(seen), seen)
	}
	calls := 0
	for _, right := range signedCalls(t) {
		calls++
		if !strings.Contains(page, "`"+right+"`") {
			t.Errorf("%s isn't in docs/security.md", right)
		}
	}
	if calls < 19 {
		t.Errorf("only %d calls by internal/awsjson were found", calls)
	}
}

// Where AWS is called by internal/awsjson.
var signers = []string{"sinks", "internal/catalog", "serde/glue"}

// signedCalls are the rights of what packages call by internal/awsjson: the service that they sign for, and the constants op... that name operations.
func signedCalls(t *testing.T) (rights []string) {
	t.Helper()
	for _, p := range packages(t) {
		if !underAny(p.path(), signers) || !slices.Contains(p.Imports, module+"internal/awsjson") {
			continue
		}
		service, operations := "", []string(nil)
		for _, file := range parse(t, p) {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.KeyValueExpr:
					if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Signing" {
						service = literal(n.Value)
					}
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && x.Name == "awsjson" && n.Sel.Name == "Glue" {
						service = "glue"
					}
				case *ast.ValueSpec:
					if len(n.Names) == 1 && len(n.Values) == 1 && strings.HasPrefix(n.Names[0].Name, "op") {
						operations = append(operations, literal(n.Values[0]))
					}
				}
				return true
			})
		}
		for _, o := range operations {
			if o != "" {
				rights = append(rights, service+":"+o)
			}
		}
	}
	return rights
}

// literal is the text of a string literal, "" of anything else.
func literal(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok {
		text, _ := strconv.Unquote(lit.Value)
		return text
	}
	return ""
}

var testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`")

// Each test that the page on security names is there.
func TestSecurityPageNamesTests(t *testing.T) {
	named := testName.FindAllStringSubmatch(securityPage(t), -1)
	if len(named) < 15 {
		t.Errorf("the page names %d tests", len(named))
	}
	all := testFunctions(t)
	for _, m := range named {
		if !all[m[1]] {
			t.Errorf("docs/security.md names %s, which isn't there", m[1])
		}
	}
}

func securityPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)

// testFunctions are the names of all tests, those on services too.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range testFunction.FindAllStringSubmatch(string(text), -1) {
			all[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
