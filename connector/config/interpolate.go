package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// An Environment is what a file may refer to.
type Environment struct {
	Lookup   func(name string) (value string, ok bool) // ${NAME}
	ReadFile func(path string) ([]byte, error)         // {file: PATH}
}

// OS is the environment and the files of this process.
func OS() Environment { return Environment{Lookup: os.LookupEnv, ReadFile: os.ReadFile} }

// maxSecretFile is the largest file that a setting may be read from.
const maxSecretFile = 1 << 20

// expand replaces ${NAME} and ${NAME:-default} by the environment, and $${ by ${.
func (e Environment) expand(s string) (string, error) {
	if !strings.Contains(s, "${") {
		return s, nil
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		if !found {
			b.WriteString(s)
			return b.String(), nil
		}
		if literal, escaped := strings.CutSuffix(before, "$"); escaped {
			b.WriteString(literal + "${")
			s = rest
			continue
		}
		b.WriteString(before)
		reference, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", errors.New(`"${" without "}"; write $${ for the two characters themselves`)
		}
		value, err := e.variable(reference)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
		s = after
	}
}

func (e Environment) variable(reference string) (string, error) {
	name, fallback, hasFallback := strings.Cut(reference, ":-")
	if !isVariable(name) {
		return "", &variableError{reference}
	}
	value, ok := "", false
	if e.Lookup != nil {
		value, ok = e.Lookup(name)
	}
	if hasFallback && value == "" {
		return fallback, nil
	}
	if !ok {
		return "", fmt.Errorf("the environment variable %s isn't set; set it, or give a default: ${%s:-...}", name, name)
	}
	return value, nil
}

// A variableError is that what stands in ${...} can't be a variable's name.
type variableError struct{ reference string }

func (e *variableError) Error() string {
	return fmt.Sprintf("${%s} isn't the name of an environment variable; write $${ for the two characters themselves", e.reference)
}

// masked is the error of a secret, of which it would show a part.
func (*variableError) masked() error { return &variableError{masked} }

// isReferenceToVariable reports whether s is ${NAME} and nothing else, which isn't secret.
func isReferenceToVariable(s string) bool {
	name, ok := strings.CutPrefix(s, "${")
	name, closed := strings.CutSuffix(name, "}")
	return ok && closed && isVariable(name)
}

func isVariable(name string) bool {
	for i, r := range name {
		if r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// file is the contents of the file at path, without the line break at its end.
func (e Environment) file(path string) (string, error) {
	if e.ReadFile == nil {
		return "", errors.New("files can't be read here")
	}
	data, err := e.ReadFile(path)
	if err != nil {
		return "", err
	}
	if len(data) > maxSecretFile {
		return "", fmt.Errorf("%s is larger than %d bytes", path, maxSecretFile)
	}
	s, _ := strings.CutSuffix(string(data), "\n")
	s, _ = strings.CutSuffix(s, "\r")
	return s, nil
}
