package testbed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A MillraceBuild says how the command is built. The zero value is the ordinary way.
type MillraceBuild struct {
	Tags    []string          // build tags
	Overlay map[string]string // texts of source files that differ, by path below the module's folder: "connector/commit.go"
}

// BuildMillrace builds the command into dir and returns its path there.
func BuildMillrace(dir string, b MillraceBuild) (string, error) {
	path := filepath.Join(dir, "millrace")
	args := []string{"build", "-o", path}
	if len(b.Tags) > 0 {
		args = append(args, "-tags", strings.Join(b.Tags, ","))
	}
	if len(b.Overlay) > 0 {
		file, err := writeOverlay(dir, b.Overlay)
		if err != nil {
			return "", fmt.Errorf("build the command: %w", err)
		}
		args = append(args, "-overlay", file)
	}
	out, err := exec.Command("go", append(args, "github.com/millrace/millrace/cmd/millrace")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return path, nil
}

// ModuleDir is the folder that go.mod lies in.
func ModuleDir() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module's folder: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// writeOverlay writes what go build -overlay wants ("go help build"): the files, and a list of which one each replaces.
func writeOverlay(dir string, texts map[string]string) (string, error) {
	root, err := ModuleDir()
	if err != nil {
		return "", err
	}
	var list struct{ Replace map[string]string }
	list.Replace = map[string]string{}
	for path, text := range texts {
		file := filepath.Join(dir, "overlay-"+strconv.Itoa(len(list.Replace))+".go")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", err
		}
		list.Replace[filepath.Join(root, filepath.FromSlash(path))] = file
	}
	data, err := json.Marshal(list)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, data, 0o600)
}

// A Millrace is a process of "millrace run" that a test starts, kills, pauses and starts again. Its methods are called by one goroutine.
type Millrace struct {
	*Process
}

// MillraceOptions say what such a process runs.
type MillraceOptions struct {
	Name   string   // of the process; its files are named after it
	Dir    string   // for its configuration and its log
	Binary string   // by BuildMillrace
	Config string   // text of the configuration file
	Flags  []string // of run, besides --status 1s and --http
	Env    []string // besides this process's own: "MILLRACE_FAILPOINT=x:1"
}

// NewMillrace writes the configuration; Start starts the process. Who starts it kills it in the end.
func NewMillrace(o MillraceOptions) (*Millrace, error) {
	file := filepath.Join(o.Dir, o.Name+".yaml")
	if err := os.WriteFile(file, []byte(o.Config), 0o600); err != nil {
		return nil, err
	}
	return &Millrace{&Process{
		Name: o.Name, Log: filepath.Join(o.Dir, o.Name+".log"),
		argv:  append([]string{o.Binary, "run", file, "--status", "1s", "--http", "127.0.0.1:0"}, o.Flags...),
		env:   o.Env,
		ready: "msg=listening flag=--http",
	}}, nil
}

var listeningLine = regexp.MustCompile(`msg=listening flag=--http address=(\S+)`)

// HTTP is the URL that --http listens at, of the newest start.
func (m *Millrace) HTTP() (string, error) {
	log, err := os.ReadFile(m.Log)
	if err != nil {
		return "", err
	}
	found := listeningLine.FindAllSubmatch(log, -1)
	if found == nil {
		return "", fmt.Errorf("%s listens nowhere", m.Name)
	}
	return "http://" + string(found[len(found)-1][1]), nil
}

// Totals are the counts of each connector ("late_acks") since the process started, by the connector's name.
func (m *Millrace) Totals() (map[string]map[string]int64, error) {
	at, err := m.HTTP()
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	answer, err := client.Get(at + "/status")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var status struct {
		Connectors []struct {
			Name   string `json:"name"`
			Status struct {
				Totals map[string]int64 `json:"totals"`
			} `json:"status"`
			Totals map[string]int64 `json:"totals"`
		} `json:"connectors"`
	}
	body, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(body, &status)
	}
	if err != nil {
		return nil, fmt.Errorf("read the status of %s: %w", m.Name, err)
	}
	totals := map[string]map[string]int64{}
	for _, c := range status.Connectors {
		totals[c.Name] = c.Totals
	}
	return totals, nil
}

// Resident is the memory of the process in bytes: VmRSS of proc(5).
func (m *Millrace) Resident() (int64, error) {
	if !m.running() {
		return 0, errors.New("it doesn't run")
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no VmRSS") // it is ending
}

// Ended is closed when the process has ended; nil before the first Start.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// State tells how a process ended that has.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// Tail is the last n lines of the log.
func (p *Process) Tail(n int) string { return tail(p.Log, n) }

// PID is the id of the process, once it was started.
func (p *Process) PID() int { return p.cmd.Process.Pid }
