//go:build testbed

package deploy

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

// TestEveryPod: what every pod of every example must have.
func TestEveryPod(t *testing.T) {
	for _, path := range examples(t) {
		objects, err := render(t, path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		pods := 0
		for name, o := range objects {
			if strings.HasPrefix(name, "Deployment/") || strings.HasPrefix(name, "StatefulSet/") {
				pods++
				t.Run(name, func(t *testing.T) { checkPod(t, objects, o) })
			}
		}
		if pods == 0 {
			t.Errorf("%s has no pods", path)
		}
	}
}

func checkPod(t *testing.T, objects map[string]map[string]any, o map[string]any) {
	pod := at(o, "spec", "template", "spec")
	container := at(pod, "containers", 0)
	name := at(o, "metadata", "name").(string)
	same(t, "security of the pod", any(map[string]any{
		"runAsNonRoot": true, "runAsUser": 65532.0, "runAsGroup": 65532.0, "fsGroup": 65532.0,
		"seccompProfile": map[string]any{"type": "RuntimeDefault"},
	}), at(pod, "securityContext"))
	same(t, "security of the container", any(map[string]any{
		"allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true,
		"capabilities": map[string]any{"drop": []any{"ALL"}},
	}), at(container, "securityContext"))
	same(t, "token", any(false), at(pod, "automountServiceAccountToken"))
	same(t, "grace period", any(35.0), at(pod, "terminationGracePeriodSeconds"))
	for probe, path := range map[string]string{"livenessProbe": "/healthz", "readinessProbe": "/readyz"} {
		same(t, probe, any(map[string]any{"path": path, "port": "http"}), at(container, probe, "httpGet"))
	}
	same(t, "ports", any([]any{map[string]any{"name": "http", "containerPort": 8080.0}}), at(container, "ports"))
	args, _ := at(container, "args").([]any)
	if len(args) < 3 || args[0] != "run" || args[len(args)-1] != "/etc/millrace/connector.yaml" || !slices.Contains(args, any("--http=:8080")) {
		t.Errorf("args: %v", args)
	}
	if limit := at(container, "resources", "limits", "memory"); limit == nil || limit != at(container, "resources", "requests", "memory") {
		t.Errorf("the limit of memory is %v, and isn't what is requested", limit)
	}
	same(t, "POD_NAME", any("metadata.name"), at(container, "env", 0, "valueFrom", "fieldRef", "fieldPath"))
	account, _ := at(pod, "serviceAccountName").(string)
	if objects["ServiceAccount/"+account] == nil {
		t.Errorf("no service account %s", account)
	}
	if text, _ := at(objects["ConfigMap/"+name], "data", "connector.yaml").(string); !strings.Contains(text, "source:") {
		t.Errorf("the file is %q", text)
	}
	same(t, "volume", any(name), at(pod, "volumes", 0, "configMap", "name"))
	labels, _ := at(o, "spec", "template", "metadata", "labels").(map[string]any)
	same(t, "selector", at(o, "spec", "selector", "matchLabels"), any(labels))
	if pdb := objects["PodDisruptionBudget/"+name]; pdb != nil {
		same(t, "selector of the disruption budget", any(labels), at(pdb, "spec", "selector", "matchLabels"))
	}
}

func TestFivePartitionsGiveFivePods(t *testing.T) {
	objects := must(t, "five-partitions.yaml", "{}")
	same(t, "objects", []string{"ConfigMap/test", "Deployment/test", "PodDisruptionBudget/test", "ServiceAccount/test"}, slices.Sorted(maps.Keys(objects)))
	d := objects["Deployment/test"]
	same(t, "replicas", any(5.0), at(d, "spec", "replicas"))
	same(t, "surge", any(0.0), at(d, "spec", "strategy", "rollingUpdate", "maxSurge"))
	same(t, "limits", any(map[string]any{"cpu": "2", "memory": "256Mi"}), at(d, "spec", "template", "spec", "containers", 0, "resources", "limits"))
	same(t, "image", any("registry.example.com/millrace:0.1.0"), at(d, "spec", "template", "spec", "containers", 0, "image"))
	file := decode(t, read(t, "helm/examples/five-partitions.yaml"))["config"]
	same(t, "the file", file, at(objects["ConfigMap/test"], "data", "connector.yaml"))
}

func TestAnotherFileMakesNewPods(t *testing.T) {
	sum := func(further string) any {
		return at(must(t, "five-partitions.yaml", further)["Deployment/test"], "spec", "template", "metadata", "annotations", "millrace.io/config")
	}
	if a, b := sum(`config: "source: 1"`), sum(`config: "source: 2"`); a == nil || a == b {
		t.Errorf("%v for both files", a)
	}
}

func TestSeveralFiles(t *testing.T) {
	objects := must(t, "several-files.yaml", "{}")
	same(t, "objects", []string{
		"ConfigMap/test-cars", "ConfigMap/test-orders", "Deployment/test-cars", "PodDisruptionBudget/test-cars",
		"Service/test-orders", "ServiceAccount/test", "StatefulSet/test-orders",
	}, slices.Sorted(maps.Keys(objects)))
	same(t, "replicas of cars", any(5.0), at(objects["Deployment/test-cars"], "spec", "replicas"))
	orders := at(objects["StatefulSet/test-orders"], "spec")
	same(t, "replicas of orders", any(3.0), at(orders, "replicas"))
	same(t, "service of orders", any("test-orders"), at(orders, "serviceName"))
	same(t, "memory of orders", any("768Mi"), at(orders, "template", "spec", "containers", 0, "resources", "limits", "memory"))
	if args := at(orders, "template", "spec", "containers", 0, "args").([]any); !slices.Contains(args, any("--budget=512MiB")) {
		t.Errorf("arguments of orders: %v", args)
	}
}

// An entry's false and 0 count, and what it leaves out of a map is the release's.
func TestAnEntryOverTheRelease(t *testing.T) {
	const on = "keda: {enabled: true, brokers: b, group: g, topic: t, awsRegion: eu-central-1}\nreplicas: 2\n"
	objects := must(t, "several-files.yaml", on+"connectors: {cars: {keda: {enabled: false}, replicas: 0}, orders: {keda: {topic: u}}}")
	same(t, "replicas of cars", any(0.0), at(objects["Deployment/test-cars"], "spec", "replicas"))
	if objects["ScaledObject/test-cars"] != nil {
		t.Error("cars is scaled")
	}
	trigger := at(objects["ScaledObject/test-orders"], "spec", "triggers", 0, "metadata")
	same(t, "topic", any("u"), at(trigger, "topic"))
	same(t, "group", any("g"), at(trigger, "consumerGroup"))
	same(t, "target", any("StatefulSet"), at(objects["ScaledObject/test-orders"], "spec", "scaleTargetRef", "kind"))
}

func TestScalingByLagOnMSK(t *testing.T) {
	objects := must(t, "msk-keda.yaml", "{}")
	if n := at(objects["Deployment/test"], "spec", "replicas"); n != nil {
		t.Errorf("replicas %v, which KEDA's would be set back to at every upgrade", n)
	}
	scaled := at(objects["ScaledObject/test"], "spec")
	same(t, "least", any(1.0), at(scaled, "minReplicaCount"))
	same(t, "most", any(5.0), at(scaled, "maxReplicaCount"))
	same(t, "trigger", any(map[string]any{
		"type":              "apache-kafka",
		"authenticationRef": map[string]any{"name": "test"},
		"metadata": map[string]any{
			"bootstrapServers": "b-1.msk.example.com:9098,b-2.msk.example.com:9098", "consumerGroup": "orders-to-s3", "topic": "orders",
			"lagThreshold": "10000", "activationLagThreshold": "0", "offsetResetPolicy": "earliest", "limitToPartitionsWithLag": "true",
			"tls": "enable", "sasl": "aws_msk_iam", "awsRegion": "eu-central-1",
		},
	}), at(scaled, "triggers", 0))
	same(t, "identity", any(map[string]any{"provider": "aws"}), at(objects["TriggerAuthentication/test"], "spec", "podIdentity"))
	same(t, "role", any("arn:aws:iam::123456789012:role/orders-to-s3"), at(objects["ServiceAccount/test"], "metadata", "annotations", "eks.amazonaws.com/role-arn"))
	same(t, "directions", any([]any{"Ingress", "Egress"}), at(objects["NetworkPolicy/test"], "spec", "policyTypes"))
	same(t, "rules out", 3, len(at(objects["NetworkPolicy/test"], "spec", "egress").([]any)))
	same(t, "metrics", any("/metrics"), at(objects["PodMonitor/test"], "spec", "podMetricsEndpoints", 0, "path"))

	plain := must(t, "msk-keda.yaml", "keda: {sasl: none, tls: false}")
	if plain["TriggerAuthentication/test"] != nil || at(plain["ScaledObject/test"], "spec", "triggers", 0, "authenticationRef") != nil {
		t.Error("an identity for brokers that ask for none")
	}
	own := must(t, "msk-keda.yaml", "keda: {sasl: scram_sha512, authentication: mine}")
	same(t, "own authentication", any("mine"), at(own["ScaledObject/test"], "spec", "triggers", 0, "authenticationRef", "name"))
	if own["TriggerAuthentication/test"] != nil {
		t.Error("an identity beside the one given")
	}
}

// What the chart and its schema refuse, and the words that say why.
func TestChartRefuses(t *testing.T) {
	for _, test := range []struct{ values, want string }{
		{"{}", "set config"},
		{"{config: x, connectors: {a: {config: z}}}", "not both"},
		{"{config: 'name: x', static: true}", "test is static: its file must say instance_id"},
		{"{config: '[x'}", "the file of test isn't YAML"},
		{"{config: 'name: x', replicas: 6, partitions: 5}", "test: 6 replicas for 5 partitions"},
		{"{config: 'drain_timeout: 1m', terminationGracePeriodSeconds: 60}", "is 60, not above drain_timeout, which is 60 s"},
		{"{config: 'drain_timeout: ${DRAIN}'}", "drain_timeout is ${DRAIN}, which the chart can't read"},
		{"{config: 'name: x', keda: {enabled: true}}", "keda.brokers is needed"},
		{"{config: 'name: x', keda: {enabled: true, brokers: b, group: g, topic: t}}", "keda.awsRegion is needed"},
		{"{config: 'name: x', keda: {enabled: true, brokers: b, group: g, topic: t, awsRegion: r, tls: false}}", "needs keda.tls"},
		{"{config: 'name: x', keda: {enabled: true, brokers: b, group: g, topic: t, sasl: plaintext}}", "keda.authentication is needed"},

		{"replica: 5", "additional properties 'replica' not allowed"},
		{"replicas: -1", "at '/replicas': minimum"},
		{"replicas: five", "at '/replicas': got string, want integer"},
		{"budget: 128", "at '/budget': got number, want string"},
		{"budget: 128Mi", "at '/budget': '128Mi' does not match pattern"},
		{"httpPort: 80", "at '/httpPort': minimum"},
		{"control: {token: abc}", "additional properties 'token' not allowed"},
		{"control: {key: ''}", "at '/control/key': minLength"},
		{"keda: {sasl: scram}", "at '/keda/sasl': value must be one of"},
		{"serviceAccount: {role: orders}", "at '/serviceAccount/role': 'orders' does not match pattern"},
		{"connectors: {Cars: {config: x}}", "'Cars' does not match pattern"},
		{"connectors: {cars: {replicas: 1}}", "missing property 'config'"},
		{"connectors: {cars: {config: x, podMonitor: {}}}", "additional properties 'podMonitor' not allowed"},
		{"resources: {limit: {}}", "additional properties 'limit' not allowed"},
		{"volumes: [{secret: {}}]", "missing property 'name'"},
	} {
		_, err := render(t, "\n"+test.values)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.values, err, test.want)
		}
	}
}

// The port of --control is there for a file that has a Secret with the token, and nowhere else.
func TestControl(t *testing.T) {
	const values = "connectors: {cars: {control: {secret: operators}}, orders: {}}"
	objects := must(t, "several-files.yaml", values)
	for name, want := range map[string]bool{"Deployment/test-cars": true, "StatefulSet/test-orders": false} {
		container := at(objects[name], "spec", "template", "spec", "containers", 0)
		args, _ := at(container, "args").([]any)
		env, _ := at(container, "env").([]any)
		token := slices.IndexFunc(env, func(e any) bool { return at(e, "name") == "MILLRACE_CONTROL_TOKEN" })
		if slices.Contains(args, any("--control=localhost:7780")) != want || token >= 0 != want {
			t.Errorf("%s: %v, %v", name, args, env)
		}
		if want {
			same(t, "the Secret", any(map[string]any{"name": "operators", "key": "token"}), at(env[token], "valueFrom", "secretKeyRef"))
		}
	}
}

// A pod has 15 s more than the longest drain_timeout of its file.
func TestGracePeriod(t *testing.T) {
	for _, test := range []struct {
		values string
		want   float64
	}{
		{"config: 'name: x'", 35},
		{"config: 'drain_timeout: 45s'", 60},
		{"config: 'drain_timeout: 1m30.5s'", 106},
		{"config: 'drain_timeout: 500ms'", 16},
		{`config: "name: a\ndrain_timeout: 5s\n---\nname: b\ndrain_timeout: 1m\n---\nname: c\n"`, 75},
		{"config: 'drain_timeout: 5s'\nterminationGracePeriodSeconds: 50", 50},
		{"config: 'drain_timeout: ${DRAIN}'\nterminationGracePeriodSeconds: 50", 50},
	} {
		objects, err := render(t, "\n"+test.values)
		if err != nil {
			t.Errorf("%s: %v", test.values, err)
			continue
		}
		same(t, test.values, any(test.want), at(objects["Deployment/test"], "spec", "template", "spec", "terminationGracePeriodSeconds"))
	}
}

func TestEverythingSet(t *testing.T) {
	objects := must(t, "five-partitions.yaml", everything)
	d := objects["Deployment/test"]
	pod := at(d, "spec", "template", "spec")
	for want, got := range map[string]any{
		"pull":                                at(pod, "imagePullSecrets", 0, "name"),
		"secrets":                             at(pod, "containers", 0, "envFrom", 0, "secretRef", "name"),
		"tls":                                 at(pod, "volumes", 1, "secret", "secretName"),
		"operators":                           at(pod, "containers", 0, "env", 1, "valueFrom", "secretKeyRef", "name"),
		"control":                             at(pod, "containers", 0, "env", 1, "valueFrom", "secretKeyRef", "key"),
		"/tls":                                at(pod, "containers", 0, "volumeMounts", 1, "mountPath"),
		"b":                                   at(d, "spec", "template", "metadata", "annotations", "a"),
		"streams":                             at(d, "spec", "template", "metadata", "labels", "team"),
		"a":                                   at(pod, "nodeSelector", "zone"),
		"spot":                                at(pod, "tolerations", 0, "key"),
		"zone":                                at(pod, "topologySpreadConstraints", 0, "topologyKey"),
		"high":                                at(pod, "priorityClassName"),
		"None":                                at(objects["Service/test"], "spec", "clusterIP"),
		"d":                                   at(objects["ServiceAccount/test"], "metadata", "annotations", "c"),
		"prometheus":                          at(objects["PodMonitor/test"], "metadata", "labels", "release"),
		"arn:aws:iam::123456789012:role/keda": at(objects["TriggerAuthentication/test"], "spec", "podIdentity", "roleArn"),
	} {
		same(t, want, any(want), got)
	}
	if args := at(pod, "containers", 0, "args").([]any); !slices.Contains(args, any("--budget=100MiB")) || !slices.Contains(args, any("--status=1m")) {
		t.Errorf("arguments: %v", args)
	}
	policy := at(objects["NetworkPolicy/test"], "spec")
	same(t, "who comes in", any([]any{map[string]any{"podSelector": map[string]any{}}}), at(policy, "ingress", 0, "from"))
	same(t, "names", any(53.0), at(policy, "egress", 0, "ports", 0, "port"))
	same(t, "Pod Identity", any("169.254.170.23/32"), at(policy, "egress", 1, "to", 0, "ipBlock", "cidr"))
	same(t, "brokers", any(9098.0), at(policy, "egress", 2, "ports", 0, "port"))
	plain := must(t, "five-partitions.yaml", "networkPolicy: {enabled: true}")
	same(t, "directions", any([]any{"Ingress"}), at(plain["NetworkPolicy/test"], "spec", "policyTypes"))
}
