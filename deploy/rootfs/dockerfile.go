package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// An instruction is one line of a Dockerfile, with its continuations joined.
type instruction struct {
	name string // FROM, COPY, ... in capitals
	args string
}

// A stage begins with FROM.
type stage struct {
	from  string // the image
	as    string // the stage's name, "" without one
	lines []instruction
}

// A dockerfile is as much of a Dockerfile as this program needs.
type dockerfile struct {
	args   map[string]string // ARG before the first stage
	stages []stage
}

// A copied is a COPY from another stage.
type copied struct {
	from, src, dst string
}

// An image is what the last stage makes.
type image struct {
	copies     []copied
	user       string
	entrypoint []string
}

func parseDockerfile(text string) (dockerfile, error) {
	d := dockerfile{args: map[string]string{}}
	for _, in := range instructions(text) {
		switch {
		case in.name == "FROM":
			d.stages = append(d.stages, newStage(in.args))
		case len(d.stages) > 0:
			s := &d.stages[len(d.stages)-1]
			s.lines = append(s.lines, in)
		case in.name == "ARG":
			name, value, _ := strings.Cut(in.args, "=")
			d.args[name] = value
		default:
			return d, fmt.Errorf("%s stands before the first FROM", in.name)
		}
	}
	if len(d.stages) < 2 {
		return d, fmt.Errorf("it has %d stages, not one to build in and one to run", len(d.stages))
	}
	return d, nil
}

func instructions(text string) []instruction {
	var out []instruction
	open := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if more, ok := strings.CutSuffix(line, "\\"); ok {
			open += more
			continue
		}
		name, args, _ := strings.Cut(open+line, " ")
		out = append(out, instruction{strings.ToUpper(name), strings.TrimSpace(args)})
		open = ""
	}
	return out
}

func newStage(args string) stage {
	var s stage
	words := strings.Fields(args)
	for i, w := range words {
		switch {
		case strings.HasPrefix(w, "--"):
		case s.from == "":
			s.from = w
		case strings.EqualFold(w, "as") && i+1 < len(words):
			s.as = words[i+1]
		}
	}
	return s
}

// image reads the last stage. What it can't build is an error, so that the image is never more than what it shows.
func (d dockerfile) image() (image, error) {
	last := d.stages[len(d.stages)-1]
	var im image
	if last.from != "scratch" {
		return im, fmt.Errorf("the last stage is on %s, not on scratch: its files aren't known here", last.from)
	}
	for _, in := range last.lines {
		switch in.name {
		case "COPY":
			c, err := parseCopy(in.args)
			if err != nil {
				return im, err
			}
			im.copies = append(im.copies, c)
		case "USER":
			im.user = in.args
		case "ENTRYPOINT":
			if err := json.Unmarshal([]byte(in.args), &im.entrypoint); err != nil {
				return im, fmt.Errorf("ENTRYPOINT %s isn't a JSON list: %w", in.args, err)
			}
		case "ARG", "LABEL", "EXPOSE", "ENV": // no files
		default:
			return im, fmt.Errorf("the last stage has %s, which this program can't do", in.name)
		}
	}
	if im.user == "" || len(im.entrypoint) == 0 || len(im.copies) == 0 {
		return im, fmt.Errorf("the last stage lacks COPY, USER or ENTRYPOINT")
	}
	return im, nil
}

func parseCopy(args string) (copied, error) {
	words := strings.Fields(args)
	if len(words) == 3 {
		if from, ok := strings.CutPrefix(words[0], "--from="); ok && strings.HasPrefix(words[1], "/") && strings.HasPrefix(words[2], "/") {
			return copied{from, words[1], words[2]}, nil
		}
	}
	return copied{}, fmt.Errorf("COPY %s isn't COPY --from=STAGE /FILE /FILE", args)
}

// goBuild is the command that builds in a stage, and the environment that the stage gives it: its ENV and ARG, and
// of these given instead.
func (d dockerfile) goBuild(name string, given map[string]string) (command string, env map[string]string, err error) {
	env = map[string]string{}
	for _, s := range d.stages {
		if s.as != name {
			continue
		}
		for _, in := range s.lines {
			switch in.name {
			case "ENV", "ARG":
				key, value, _ := strings.Cut(in.args, "=")
				if g, ok := given[key]; ok && in.name == "ARG" {
					value = g
				}
				env[key] = value
			case "RUN":
				if strings.Contains(in.args, "go build") {
					command = withoutMounts(in.args)
				}
			}
		}
	}
	if command == "" {
		return "", nil, fmt.Errorf("no stage %s runs go build", name)
	}
	return command, env, nil
}

// withoutMounts leaves out the caches: the machine has its own.
func withoutMounts(run string) string {
	for strings.HasPrefix(run, "--") {
		_, run, _ = strings.Cut(run, " ")
		run = strings.TrimSpace(run)
	}
	return run
}
