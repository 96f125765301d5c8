package testbed

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

//go:embed log4j2.properties
var log4j []byte

// KafkaOptions say what Kafka to start. The zero value is one node with the defaults below.
type KafkaOptions struct {
	Nodes  int               // default 1; records, offsets and transactions are kept on up to 3 of them
	Config map[string]string // of every node, over the defaults: {"message.max.bytes": "16777216"}

	classes string   // a folder of plug-ins; may be empty
	format  []string // arguments of the storage tool
}

// Brokers are a Kafka cluster, of one node or more.
type Brokers struct {
	Addrs []string   // of the listener for clients
	Nodes []*Process // in the order of Addrs, ids from 1; none where the cluster is shared
}

// The listeners of a node. CLIENT is what tests use. Brokers talk to each other on PEER, and to the quorum
// on CONTROLLER. All are plain: see StartSecureKafka for others.
const (
	clientListener = iota
	peerListener
	controllerListener
	listeners
)

// startKafka starts a cluster that keeps its data in dir.
func startKafka(ctx context.Context, dir string, o KafkaOptions) (*Brokers, error) {
	ports, err := freePorts(max(1, o.Nodes) * listeners)
	if err != nil {
		return nil, err
	}
	return startKafkaOn(ctx, dir, ports, o)
}

// startKafkaOn starts a cluster on ports, which are as many as its nodes have listeners.
func startKafkaOn(ctx context.Context, dir string, ports []int, o KafkaOptions) (*Brokers, error) {
	jars, err := KafkaJars(ctx)
	if err != nil {
		return nil, err
	}
	java, err := findJava("java")
	if err != nil {
		return nil, err
	}
	logging := filepath.Join(dir, "log4j2.properties")
	if err := os.WriteFile(logging, log4j, 0o600); err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[0] &= 0x7f           // or the id could begin with a hyphen, which the storage tool takes for an option
	cluster := base64.RawURLEncoding.EncodeToString(id[:])

	b := &Brokers{}
	nodes := len(ports) / listeners
	classpath := jars + "/*"
	if o.classes != "" {
		classpath += string(os.PathListSeparator) + o.classes
	}
	// The first compiler alone: a node starts in two thirds of the time and of the work.
	jvm := []string{java, "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dlog4j2.configurationFile=" + logging, "-cp", classpath}
	formatted := make(chan error, nodes)
	for i := range nodes {
		name := "kafka-" + strconv.Itoa(i+1)
		file := filepath.Join(dir, name+".properties")
		if err := os.WriteFile(file, properties(dir, i+1, ports, o.Config), 0o600); err != nil {
			return nil, fmt.Errorf("start %s: %w", name, err)
		}
		go func() { formatted <- format(ctx, jvm, file, cluster, o.format) }()
		addr := local(ports[i*listeners+clientListener])
		b.Addrs = append(b.Addrs, addr)
		b.Nodes = append(b.Nodes, &Process{
			Name: name, Addr: addr, Log: filepath.Join(dir, name+".log"),
			argv:  append(slices.Clone(jvm), "kafka.Kafka", file),
			ready: "Kafka Server started",
		})
	}
	var errs []error
	for range nodes {
		errs = append(errs, <-formatted)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := startAll(ctx, b.Nodes); err != nil {
		return nil, err
	}
	return b, nil
}

// format prepares a node's folder for its data.
func format(ctx context.Context, jvm []string, file, cluster string, more []string) error {
	args := append(slices.Clone(jvm[1:]), "kafka.tools.StorageTool", "format", "-c", file, "-t", cluster)
	cmd := exec.CommandContext(ctx, jvm[0], append(args, more...)...)
	Contain(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("format kafka's storage: %w:\n%s", err, out)
	}
	return nil
}

// properties is the configuration of node id. ports are the listeners' of all nodes.
func properties(dir string, id int, ports []int, config map[string]string) []byte {
	nodes := len(ports) / listeners
	copies := strconv.Itoa(min(3, nodes))
	inSync := strconv.Itoa(min(2, nodes))
	port := func(node, listener int) string { return local(ports[(node-1)*listeners+listener]) }
	var voters []string
	for n := 1; n <= nodes; n++ {
		voters = append(voters, fmt.Sprintf("%d@%s", n, port(n, controllerListener)))
	}
	advertised := "CLIENT://" + port(id, clientListener) + ",PEER://" + port(id, peerListener)
	p := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        strconv.Itoa(id),
		"broker.rack":                    "rack-" + strconv.Itoa(id),
		"log.dirs":                       filepath.Join(dir, "kafka-"+strconv.Itoa(id)),
		"controller.quorum.voters":       strings.Join(voters, ","),
		"controller.listener.names":      "CONTROLLER",
		"inter.broker.listener.name":     "PEER",
		"listeners":                      advertised + ",CONTROLLER://" + port(id, controllerListener),
		"advertised.listeners":           advertised,
		"listener.security.protocol.map": "CLIENT:PLAINTEXT,PEER:PLAINTEXT,CONTROLLER:PLAINTEXT",

		"default.replication.factor":                       copies,
		"min.insync.replicas":                              inSync,
		"offsets.topic.replication.factor":                 copies,
		"transaction.state.log.replication.factor":         copies,
		"transaction.state.log.min.isr":                    inSync,
		"share.coordinator.state.topic.replication.factor": copies,
		"share.coordinator.state.topic.min.isr":            inSync,

		"auto.create.topics.enable":            "false", // a missing topic is an error, as in production
		"group.initial.rebalance.delay.ms":     "0",     // the first member of a group needn't wait
		"group.min.session.timeout.ms":         "1000",  // tests of dead members needn't wait either
		"offsets.topic.num.partitions":         "4",
		"transaction.state.log.num.partitions": "4",
		"log.cleaner.dedupe.buffer.size":       "16777216", // 128 MiB else
	}
	maps.Copy(p, config)
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&out, "%s=%s\n", key, p[key])
	}
	return []byte(out.String())
}
