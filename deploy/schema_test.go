package deploy

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A schema is as much of JSON Schema as values.schema.json needs. A keyword that it doesn't know is a mistake,
// so that no rule is passed over in silence.
type schema struct {
	root map[string]any
}

func readSchema(t *testing.T) schema {
	t.Helper()
	var s schema
	if err := json.Unmarshal([]byte(read(t, "helm/millrace/values.schema.json")), &s.root); err != nil {
		t.Fatalf("read values.schema.json: %v", err)
	}
	return s
}

// check lists what is wrong with value, each problem with its path.
func (s schema) check(rules map[string]any, path string, value any) []string {
	var problems []string
	for _, keyword := range slices.Sorted(maps.Keys(rules)) {
		problems = append(problems, s.keyword(rules, keyword, path, value)...)
	}
	return problems
}

func (s schema) keyword(rules map[string]any, keyword, path string, value any) []string {
	rule := rules[keyword]
	object, _ := value.(map[string]any)
	text, isText := value.(string)
	number, isNumber := value.(float64)
	wrong := false
	switch keyword {
	case "$schema", "title", "definitions":
	case "$ref":
		return s.check(s.resolve(rule.(string)), path, value)
	case "type":
		wrong = !hasType(value, rule.(string))
	case "enum":
		wrong = !slices.ContainsFunc(rule.([]any), func(v any) bool { return reflect.DeepEqual(v, value) })
	case "minimum":
		wrong = isNumber && number < rule.(float64)
	case "maximum":
		wrong = isNumber && number > rule.(float64)
	case "minLength":
		wrong = isText && float64(len(text)) < rule.(float64)
	case "pattern":
		wrong = isText && !regexp.MustCompile(rule.(string)).MatchString(text)
	case "required":
		for _, name := range rule.([]any) {
			if _, ok := object[name.(string)]; object != nil && !ok {
				wrong = true
			}
		}
	case "items":
		return s.items(rule.(map[string]any), path, value)
	case "propertyNames", "properties", "additionalProperties":
		return s.members(rules, keyword, path, object)
	default:
		return []string{fmt.Sprintf("%s: this test doesn't know the keyword %s", path, keyword)}
	}
	if wrong {
		return []string{fmt.Sprintf("%s: %v breaks %s %v", path, value, keyword, rule)}
	}
	return nil
}

func (s schema) items(rule map[string]any, path string, value any) []string {
	var problems []string
	list, _ := value.([]any)
	for i, item := range list {
		problems = append(problems, s.check(rule, fmt.Sprintf("%s[%d]", path, i), item)...)
	}
	return problems
}

func (s schema) members(rules map[string]any, keyword, path string, object map[string]any) []string {
	var problems []string
	properties, _ := rules["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		at := path + "." + name
		rule, known := properties[name].(map[string]any)
		rest, isRule := rules["additionalProperties"].(map[string]any)
		switch {
		case keyword == "propertyNames":
			problems = append(problems, s.check(rules[keyword].(map[string]any), at, name)...)
		case keyword == "properties" && known:
			problems = append(problems, s.check(rule, at, object[name])...)
		case keyword == "additionalProperties" && !known && isRule:
			problems = append(problems, s.check(rest, at, object[name])...)
		case keyword == "additionalProperties" && !known:
			problems = append(problems, at+": unknown")
		}
	}
	return problems
}

// resolve finds what a reference such as #/definitions/texts names.
func (s schema) resolve(ref string) map[string]any {
	at := s.root
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		at = at[name].(map[string]any)
	}
	return at
}

func hasType(value any, want string) bool {
	switch v := value.(type) {
	case map[string]any:
		return want == "object"
	case []any:
		return want == "array"
	case string:
		return want == "string"
	case bool:
		return want == "boolean"
	case float64:
		return want == "integer" && v == float64(int64(v))
	}
	return false
}

func TestSchemaTakesValuesAndExamples(t *testing.T) {
	s := readSchema(t)
	for _, path := range append(examples(t), "helm/millrace/values.yaml") {
		for _, problem := range s.check(s.root, path, readValues(t, path)) {
			t.Error(problem)
		}
	}
}

// TestSchemaKnowsAllValues: a setting that is in one of the two files alone can't be set, or can't be found.
func TestSchemaKnowsAllValues(t *testing.T) {
	s := readSchema(t)
	values := readValues(t, "helm/millrace/values.yaml")
	for name, rule := range s.root["properties"].(map[string]any) {
		if name == "global" { // Helm's own
			continue
		}
		value, ok := values[name]
		if !ok {
			t.Errorf("values.yaml has no %s", name)
		}
		if ref, ok := rule.(map[string]any)["$ref"].(string); ok {
			rule = s.resolve(ref)
		}
		object, _ := value.(map[string]any)
		properties, _ := rule.(map[string]any)["properties"].(map[string]any)
		for inner := range properties {
			if _, ok := object[inner]; !ok && inner != "claims" { // claims of resources are rare
				t.Errorf("values.yaml has no %s.%s", name, inner)
			}
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	s := readSchema(t)
	for _, test := range []struct{ values, want string }{
		{"replica: 5", ".replica: unknown"},
		{"replicas: -1", "minimum"},
		{"replicas: five", "type integer"},
		{"budget: 128", "type string"},
		{"budget: 128Mi", "pattern"},
		{"httpPort: 80", "minimum"},
		{"keda: {sasl: scram}", "enum"},
		{"serviceAccount: {role: orders}", "pattern"},
		{"connectors: {Cars: {config: x}}", "pattern"},
		{"connectors: {cars: {replicas: 1}}", "required"},
		{"connectors: {cars: {config: x, podMonitor: {}}}", ".podMonitor: unknown"},
	} {
		problems := s.check(s.root, "values", decode(t, test.values))
		if len(problems) != 1 || !strings.Contains(problems[0], test.want) {
			t.Errorf("%s: %q, want one problem with %q", test.values, problems, test.want)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
