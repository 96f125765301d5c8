package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/connector/secret"
)

// Where --control and its clients find each other.
const (
	defaultControl  = "localhost:7780"
	controlVariable = "MILLRACE_CONTROL"
	tokenVariable   = "MILLRACE_CONTROL_TOKEN"
	tokenUsage      = "file with the token of --control; by default the environment's " + tokenVariable
)

// The sizes of a token, in characters.
const (
	leastToken = 16
	mostToken  = 4096
)

// readToken reads the token of --control, of a file or of the environment. No error quotes it.
func readToken(path string) (secret.Text, error) {
	from, text := tokenVariable, os.Getenv(tokenVariable)
	if path != "" {
		start, err := readStart(path, mostToken+2)
		if err != nil {
			return secret.Text{}, fmt.Errorf("--control-token: %w", err)
		}
		from, text = path, start
	}
	text = strings.TrimSpace(text)
	switch {
	case text == "" && path == "":
		return secret.Text{}, fmt.Errorf("a token is needed: name a file that holds it by --control-token, or set %s", tokenVariable)
	case len(text) < leastToken || len(text) > mostToken:
		return secret.Text{}, fmt.Errorf("%s: the token has %d characters; it needs %d to %d, such as those of openssl rand -hex 16", from, len(text), leastToken, mostToken)
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return secret.Text{}, fmt.Errorf("%s: the token has a space, a line break or a character that isn't ASCII", from)
	}
	return secret.New(text), nil
}

// readStart reads the first n bytes of a file.
func readStart(path string, n int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, n))
	return string(text), err
}

// errPartition is what is no partition.
var errPartition = errors.New("not TOPIC/PARTITION, such as cars.gps/0")

// parsePartition reads TOPIC/PARTITION.
func parsePartition(text string) (connector.Partition, error) {
	topic, number, err := cutRight(text)
	id, err2 := strconv.ParseUint(number, 10, 31)
	if err != nil || err2 != nil || !isTopic(topic) {
		return connector.Partition{}, fmt.Errorf("%q: %w", text, errPartition)
	}
	return connector.Partition{Topic: topic, ID: int32(id)}, nil
}

// parseOffset reads TOPIC/PARTITION/OFFSET.
func parseOffset(text string) (connector.Partition, int64, error) {
	partition, number, err := cutRight(text)
	at, err2 := strconv.ParseUint(number, 10, 63)
	p, err3 := parsePartition(partition)
	if err = errors.Join(err, err2, err3); err != nil {
		return p, 0, fmt.Errorf("%q: not TOPIC/PARTITION/OFFSET, such as cars.gps/0/4711", text)
	}
	return p, int64(at), nil
}

// cutRight cuts at the last slash.
func cutRight(text string) (before, after string, err error) {
	i := strings.LastIndexByte(text, '/')
	if i < 0 {
		return "", "", errPartition
	}
	return text[:i], text[i+1:], nil
}

// isTopic reports whether Kafka allows a name (org.apache.kafka.common.internals.Topic).
func isTopic(name string) bool {
	other := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
	}
	return name != "" && name != "." && name != ".." && len(name) <= 249 && !strings.ContainsFunc(name, other)
}

func parsePartitions(texts []string) (ps []connector.Partition, err error) {
	for _, t := range texts {
		p, err := parsePartition(t)
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	return ps, nil
}
