// Package cgroup reads the limits that a container puts on this process.
package cgroup
