//go:build testbed

package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/millrace/millrace/testbed"
)

func TestHelmLint(t *testing.T) {
	for _, example := range examples(t) {
		if out, err := helm(t, "lint", "--strict", "helm/millrace", "--values", example); err != nil {
			t.Errorf("%s: %v\n%s", example, err, out)
		}
	}
}

// everything is all that can be left out, set once.
const everything = `
imagePullSecrets: [{name: pull}]
extraArgs: ["--status=1m"]
budget: 100MiB
control: {secret: operators, key: control}
envFrom: [{secretRef: {name: secrets}}]
volumes: [{name: tls, secret: {secretName: tls}}]
volumeMounts: [{name: tls, mountPath: /tls, readOnly: true}]
podAnnotations: {a: b}
podLabels: {team: streams}
nodeSelector: {zone: a}
tolerations: [{key: spot, operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchFields: []}]}}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]
priorityClassName: high
networkPolicy: {enabled: true, podIdentity: true, from: [{podSelector: {}}], egress: [{ports: [{protocol: TCP, port: 9098}]}]}
service: {enabled: true}
serviceAccount: {annotations: {c: d}}
podMonitor: {enabled: true, labels: {release: prometheus}}
keda:
  enabled: true
  brokers: b:9098
  group: g
  topic: t
  awsRegion: eu-central-1
  roleArn: arn:aws:iam::123456789012:role/keda
`

// TestKubeconform checks all that the chart makes against the schemas of Kubernetes, of KEDA and of the Prometheus operator;
// strict is that nothing is set which they don't know.
func TestKubeconform(t *testing.T) {
	path, err := testbed.Kubeconform(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	operators := definitions(t)
	check := func(version string, objects []byte) (string, error) {
		own, err := testbed.KubernetesSchemas(t.Context(), version)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), path, "-strict", "-summary", "-kubernetes-version", version,
			"-schema-location", own+"/{{.ResourceKind}}{{.KindSuffix}}.json",
			"-schema-location", operators+"/{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json")
		cmd.Stdin = bytes.NewReader(objects)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, version := range kubernetes {
		var all []byte // in one go: reading the schemas is what takes time
		for _, example := range examples(t) {
			for _, further := range []string{"\n{}", everything} {
				objects, err := template(t, version, example, further)
				if err != nil {
					t.Fatalf("%s: %v", example, err)
				}
				all = append(append(all, "---\n"...), objects...)
			}
		}
		if out, err := check(version, all); err != nil || !strings.Contains(out, "Skipped: 0") {
			t.Errorf("Kubernetes %s: %v\n%s", version, err, out)
		}
	}
	for _, wrong := range []string{
		"apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {clusterIp: None}\n",
		"apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: x}\nspec: {scaleTargetRef: {name: x}, triggers: [{type: a, metadata: {b: 1}}]}\n",
		"apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: x}\nspec: {selector: {}, podMetricsEndpoint: []}\n",
	} {
		if out, err := check(kubernetes[1], []byte(wrong)); err == nil {
			t.Errorf("nothing is wrong with\n%s\n%s", wrong, out)
		}
	}
}

// definitions makes JSON Schemas from the operators' own definitions of their objects, and returns their folder.
func definitions(t *testing.T) string {
	t.Helper()
	keda, err := testbed.KEDA(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	prometheus, err := testbed.PrometheusOperator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, path := range []string{
		filepath.Join(keda, "config/crd/bases/keda.sh_scaledobjects.yaml"),
		filepath.Join(keda, "config/crd/bases/keda.sh_triggerauthentications.yaml"),
		filepath.Join(prometheus, "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"),
	} {
		crd := at(decode(t, strings.TrimPrefix(read(t, path), "---\n")), "spec")
		kind := strings.ToLower(at(crd, "names", "kind").(string))
		for _, version := range at(crd, "versions").([]any) {
			schema := at(version, "schema", "openAPIV3Schema")
			closed(schema)
			data, err := json.Marshal(schema)
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("%s_%s_%s.json", at(crd, "group"), kind, at(version, "name"))
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// closed lets objects have only the fields that their schema lists, as Kubernetes does.
func closed(schema any) {
	switch s := schema.(type) {
	case []any:
		for _, item := range s {
			closed(item)
		}
	case map[string]any:
		_, lists := s["properties"].(map[string]any)
		_, more := s["additionalProperties"]
		if lists && !more && s["x-kubernetes-preserve-unknown-fields"] != true {
			s["additionalProperties"] = false
		}
		for _, item := range s {
			closed(item)
		}
		if at(s, "properties", "apiVersion") != nil && at(s, "properties", "kind") != nil {
			s["properties"].(map[string]any)["metadata"] = map[string]any{"type": "object"} // Kubernetes' own
		}
	}
}

// TestKEDATakesTheTrigger: the schema of a ScaledObject takes any settings of a trigger; KEDA's list of its scalers doesn't.
func TestKEDATakesTheTrigger(t *testing.T) {
	keda, err := testbed.KEDA(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	type parameter struct {
		Name         string   `json:"name"`
		AllowedValue []string `json:"allowedValue"`
	}
	var list struct {
		Scalers []struct {
			Type       string      `json:"type"`
			Parameters []parameter `json:"parameters"`
		} `json:"scalers"`
	}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(keda, "schema/generated/scalers-schema.json"))), &list); err != nil {
		t.Fatal(err)
	}
	known := map[string][]string{}
	for _, s := range list.Scalers {
		for _, p := range s.Parameters {
			if s.Type == "apache-kafka" {
				known[p.Name] = p.AllowedValue
			}
		}
	}
	for _, sasl := range []string{"none", "aws_msk_iam", "scram_sha512"} {
		objects := must(t, "msk-keda.yaml", "keda: {authentication: mine, sasl: "+sasl+"}")
		metadata := at(objects["ScaledObject/test"], "spec", "triggers", 0, "metadata").(map[string]any)
		for name, value := range metadata {
			allowed, ok := known[name]
			if !ok {
				t.Errorf("KEDA's apache-kafka has no %s", name)
			}
			if len(allowed) > 0 && !strings.Contains(" "+strings.Join(allowed, " ")+" ", " "+value.(string)+" ") {
				t.Errorf("%s is %v, KEDA takes %q", name, value, allowed)
			}
		}
	}
}
