//go:build !linux

package main

import (
	"context"
	"errors"
)

const insideArg = "-inside"

type ran struct {
	Args   []string `json:"args"`
	Root   string   `json:"root"`
	Output string   `json:"output"`
}

func tryOut(context.Context, string, string, *rootfs, bool) ([]ran, error) {
	return nil, errors.New("the image's binary runs on Linux only: leave out --run")
}

func inside([]string) error { return errors.New("the image's binary runs on Linux only") }
