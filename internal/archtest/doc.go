// Package archtest holds the tests that keep the shape of the project: which
// package may import which, who may reach whose SDK, how many names the core exports,
// that packages say what they are, that they keep no state of their own, and that no
// file names a folder of somebody's machine.
//
// What a test here refuses is a decision, not a mistake of style: to change it, change the table and say why in docs/adr.
package archtest
