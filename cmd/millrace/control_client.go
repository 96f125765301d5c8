package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

// The limits of an answer.
const (
	answerTimeout = controlTimeout + 5*time.Second
	answerBytes   = 64 << 20 // ten thousands of partitions
	refusalBytes  = 8 << 10
)

// controlOptions are the flags of the commands that speak to a process.
type controlOptions struct {
	at        string
	token     string // path, "" for the environment
	connector string
	json      bool
}

func (o *controlOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.at, "at", "", "loopback address that the process has as --control (default "+defaultControl+", or the environment's "+controlVariable+")")
	f.StringVar(&o.token, "control-token", "", tokenUsage)
	f.StringVar(&o.connector, "connector", "", "name of the connector, where the process runs several")
	f.BoolVar(&o.json, "json", false, "print JSON")
}

// A controlClient asks a process. It follows no redirect and uses no proxy.
type controlClient struct {
	at    string
	token secret.Text
	http  *http.Client
}

// client makes the client. Close its idle connections when it has been used.
func (o *controlOptions) client() (*controlClient, error) {
	at := cmp.Or(o.at, os.Getenv(controlVariable), defaultControl)
	a, err := net.ResolveTCPAddr("tcp", at)
	if err != nil {
		return nil, fmt.Errorf("--at needs an address such as %s: %w", defaultControl, err)
	}
	if !a.IP.IsLoopback() {
		return nil, fmt.Errorf("--at %s isn't a loopback address: the token would be readable on its way. Run the command on the process's own machine, such as by kubectl exec", at)
	}
	token, err := readToken(o.token)
	if err != nil {
		return nil, err
	}
	return &controlClient{at: at, token: token, http: &http.Client{
		Timeout:       answerTimeout,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// withProcess asks a process what it is doing, and goes on from there.
func (c *command) withProcess(ctx context.Context, o *controlOptions, work func(ctx context.Context, client *controlClient, v *view) error) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	ctx, stop := c.interruptible(ctx)
	defer stop()
	v, err := client.look(ctx)
	if err != nil {
		return err
	}
	return work(ctx, client, v)
}

// call sends body as JSON, unless it is nil, and reads the answer into answer. Errors are failures.
func (c *controlClient) call(ctx context.Context, method, path string, body, answer any) error {
	var sent bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&sent).Encode(body); err != nil {
			return err
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.at+path, &sent)
	if err != nil {
		return err
	}
	token, _ := c.token.Known()
	r.Header.Set("Authorization", "Bearer "+token)
	got, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return failure{fmt.Errorf("ask %s: %w; does the process run with --control, and there?", c.at, err)}
	}
	defer got.Body.Close()
	if got.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(got.Body, refusalBytes)) // what came of it
		return failure{fmt.Errorf("%s refused (%d): %s", c.at, got.StatusCode, visible(strings.TrimSpace(string(why))))}
	}
	text, err := io.ReadAll(io.LimitReader(got.Body, answerBytes+1))
	if err == nil && len(text) > answerBytes {
		err = fmt.Errorf("it has more than %d bytes", answerBytes)
	}
	if err == nil {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		return failure{fmt.Errorf("read the answer of %s: %w", c.at, err)}
	}
	return nil
}

// look asks for the status.
func (c *controlClient) look(ctx context.Context) (*view, error) {
	var v view
	return &v, c.call(ctx, http.MethodGet, "/status", nil, &v)
}

// chosen is the connector that is meant: the one of that name, the only one, or else the only one that has all the topics.
func (v *view) chosen(name string, topics []string) (*connectorView, error) {
	var names []string
	var able []*connectorView
	for i := range v.Connectors {
		c := &v.Connectors[i]
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
		if !slices.ContainsFunc(topics, func(t string) bool { return !c.reads(t) }) {
			able = append(able, c)
		}
	}
	list := strings.Join(names, ", ")
	switch {
	case name != "":
		return nil, failure{fmt.Errorf("the process runs no connector %q; it runs %s", name, list)}
	case len(v.Connectors) == 1:
		return &v.Connectors[0], nil
	case len(able) == 1:
		return able[0], nil
	}
	return nil, failure{fmt.Errorf("the process runs several connectors; choose one by --connector: %s", list)}
}

// reads reports whether the connector has a partition of a topic now.
func (c *connectorView) reads(topic string) bool {
	return slices.ContainsFunc(c.Partitions, func(p connector.PartitionStatus) bool { return p.Topic == topic })
}

// printPlain prints a text in lines that fit, those after the first one indented.
func printPlain(w io.Writer, text string) { printWrapped(w, visibleLines(text)) }
