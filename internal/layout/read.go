package layout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ReadSettings reads a connector's settings: JSON as the REST API of Kafka Connect takes it ({"name": ..., "config": {...}}, or the config
// alone), or a file of properties as java.util.Properties reads it.
func ReadSettings(data []byte) (map[string]string, error) {
	if trimmed := bytes.TrimSpace(data); bytes.HasPrefix(trimmed, []byte("{")) {
		return jsonSettings(trimmed)
	}
	return javaProperties(string(data))
}

func jsonSettings(data []byte) (map[string]string, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("read the settings as JSON: %w", err)
	}
	if config, ok := all["config"]; ok {
		all = nil
		if err := json.Unmarshal(config, &all); err != nil {
			return nil, fmt.Errorf("read config as JSON: %w", err)
		}
	}
	settings := make(map[string]string, len(all))
	for name, raw := range all {
		var text string
		switch {
		case json.Unmarshal(raw, &text) == nil: // null too, which is the same as missing
		case raw[0] != '{' && raw[0] != '[':
			text = string(raw)
		default:
			return nil, fmt.Errorf("the setting %s isn't a text", name)
		}
		settings[name] = text
	}
	return settings, nil
}

// javaProperties reads lines NAME=VALUE (java.util.Properties, load).
func javaProperties(text string) (map[string]string, error) {
	settings := map[string]string{}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for n := 0; n < len(lines); n++ {
		line := strings.TrimLeft(lines[n], " \t\f")
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		first := n + 1
		for continued(line) && n+1 < len(lines) {
			n++
			line = line[:len(line)-1] + strings.TrimLeft(lines[n], " \t\f")
		}
		end := 0
		for end < len(line) && strings.IndexByte("=: \t\f", line[end]) < 0 {
			if line[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end, len(line))
		value := strings.TrimLeft(line[end:], " \t\f")
		if value != "" && (value[0] == '=' || value[0] == ':') {
			value = strings.TrimLeft(value[1:], " \t\f")
		}
		name, err := unescape(line[:end])
		if err == nil {
			value, err = unescape(value)
		}
		if err == nil && name == "" {
			err = errors.New("it has no name")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d isn't NAME=VALUE: %w", first, err)
		}
		settings[name] = value
	}
	return settings, nil
}

// continued reports whether a line ends in an odd number of backslashes.
func continued(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			n, err := strconv.ParseUint(s[i+1:min(i+5, len(s))], 16, 16)
			if err != nil || i+5 > len(s) {
				return "", errors.New(`\u is followed by four hex digits`)
			}
			b.WriteRune(rune(n))
			i += 4
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}
