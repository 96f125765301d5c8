package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/millrace/millrace/connector"
	"github.com/millrace/millrace/internal/chain"
	"github.com/millrace/millrace/internal/failpoint"
)

// An upload is a temporary file. Its id is its name, HASH-SEQ-RANDOM: 16 hex digits of the SHA-256 of its links' folder, the
// number of the link that it is for, and 16 random hex digits. It outlives the process: a link may name it.
const (
	hashDigits   = 16
	seqDigits    = 20
	randomDigits = 16
)

func dirHash(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:hashDigits/2])
}

// temp is the name of an upload's file. An id with a slash is none of ours.
func temp(o *chain.Object) (string, bool) {
	return path.Join(tempDir, o.Upload), o.Upload != "" && !strings.ContainsAny(o.Upload, "/\\")
}

// Begin creates a temporary file.
func (s *store) Begin(ctx context.Context, o *chain.Object) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	id := fmt.Sprintf("%s-%0*d-%s", dirHash(o.Dir), seqDigits, o.Seq, randomHex(randomDigits/2))
	name := path.Join(tempDir, id)
	f, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return "", s.failure("create", name, err)
	}
	return id, f.Close()
}

// Write writes a part in its place, over what a failed attempt may have left. The sync that follows later speaks for these bytes too,
// though it is of another opening of the file: Linux keeps an error of writing back with the file, for the next one who syncs
// it (since 4.16).
func (s *store) Write(ctx context.Context, o *chain.Object, n int, at int64, p chain.Bytes) (chain.Part, error) {
	if err := ctx.Err(); err != nil {
		return chain.Part{}, err
	}
	f, err := s.openTemp(o)
	if err != nil {
		return chain.Part{}, err
	}
	defer f.Close()
	for _, piece := range p {
		if err := s.disk.write(f, piece, at); err != nil {
			return chain.Part{}, s.failure("write", path.Join(tempDir, o.Upload), err)
		}
		at += int64(len(piece))
	}
	return chain.Part{N: n}, nil
}

// openTemp opens an upload's file. If somebody removed it, its range has to be read again.
func (s *store) openTemp(o *chain.Object) (*os.File, error) {
	name, ok := temp(o)
	if !ok {
		return nil, connector.Lost.Wrap(s.missing(name))
	}
	f, err := s.root.OpenFile(name, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, connector.Lost.Wrap(s.missing(name))
	}
	if err != nil {
		return nil, s.failure("open", name, err)
	}
	return f, nil
}

// Seal puts the file on disk, and its temporary name. Once a sync has failed, the system may have dropped what it
// couldn't write, and the next sync would succeed: the range is lost then, and is read again.
func (s *store) Seal(ctx context.Context, o *chain.Object) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := s.openTemp(o)
	if err != nil {
		return err
	}
	defer f.Close()
	// A write that failed halfway may have left bytes beyond the end.
	if err := f.Truncate(o.Size); err != nil {
		return s.failure("truncate", path.Join(tempDir, o.Upload), err)
	}
	if err := s.disk.sync(f); err != nil {
		return connector.Lost.Wrap(s.failure("sync", path.Join(tempDir, o.Upload), err))
	}
	failpoint.Here("disk.synced")
	if err := s.syncFolder(tempDir); err != nil {
		return connector.Lost.Wrap(err)
	}
	return nil
}

// Complete links the file to its key, and removes the temporary name when the key is on disk.
func (s *store) Complete(ctx context.Context, o *chain.Object, _ bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name, ok := temp(o)
	if !ok {
		return s.missing(o.Key)
	}
	if err := s.link(name, o.Key); err != nil {
		return err
	}
	failpoint.Here("disk.named")
	_ = s.root.Remove(name) // what stays is a second name of a file that is complete; Uploads finds it
	return nil
}

// link gives a temporary file its name, one that doesn't exist yet, and makes the name survive. Answers: chain.ErrExists if another
// file has it, chain.ErrMissing if the temporary file is gone.
func (s *store) link(from, key string) error {
	err := s.disk.link(s.root, from, key)
	if errors.Is(err, fs.ErrNotExist) && s.there(from) {
		if err := s.makeFolder(path.Dir(key)); err != nil {
			return err
		}
		err = s.disk.link(s.root, from, key)
	}
	if err == nil {
		failpoint.Here("disk.linked")
		return s.settle(key)
	}
	if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return s.failure("link", key, err)
	}
	// A link may have been made by a call that was cut off, by another process that finishes the same upload and is about to remove
	// the temporary name, or over a network although the reply was lost.
	mine, gone := s.root.Lstat(from)
	if errors.Is(gone, fs.ErrNotExist) {
		return s.missing(key)
	}
	named, none := s.root.Lstat(key)
	switch {
	case gone != nil || none != nil: // such as a folder that somebody removed again
		return s.failure("link", key, err)
	case os.SameFile(mine, named):
		return s.settle(key)
	}
	return s.taken(key)
}

func (s *store) there(name string) bool {
	_, err := s.root.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// Look compares what is there by size and checksum, unless the key is the object's alone.
func (s *store) Look(ctx context.Context, o *chain.Object) (chain.Sight, error) {
	if err := ctx.Err(); err != nil {
		return chain.Nothing, err
	}
	info, err := s.root.Lstat(o.Key)
	switch {
	case absent(err):
		return chain.Nothing, nil
	case err != nil:
		return chain.Nothing, s.failure("look at", o.Key, err)
	case !info.Mode().IsRegular():
		return chain.Foreign, nil
	}
	if !o.Unique {
		equal, err := s.equal(o, info.Size())
		if err != nil {
			return chain.Nothing, s.failure("read", o.Key, err)
		}
		if !equal {
			return chain.Foreign, nil
		}
	}
	return chain.Ours, s.settle(o.Key)
}

func (s *store) equal(o *chain.Object, size int64) (bool, error) {
	if size != o.Size {
		return false, nil
	}
	f, err := s.root.Open(o.Key)
	if err != nil {
		return false, err
	}
	defer f.Close()
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.Copy(sum, f); err != nil {
		return false, err
	}
	return fmt.Sprintf("%08x", sum.Sum32()) == o.CRC, nil
}

// Abort removes the temporary file.
func (s *store) Abort(ctx context.Context, o *chain.Object) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name, ok := temp(o)
	if !ok {
		return nil
	}
	if err := s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.failure("remove", name, err)
	}
	return nil
}

// Uploads finds the temporary files that were begun for links in a folder.
func (s *store) Uploads(ctx context.Context, dir string) ([]chain.Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	names, err := s.tempNames()
	if err != nil {
		return nil, s.failure("list", tempDir, err)
	}
	var found []chain.Object
	for _, name := range names {
		if seq, ok := parseUpload(name, dirHash(dir)); ok {
			found = append(found, chain.Object{Upload: name, Seq: seq, Dir: dir})
		}
	}
	return found, nil
}

// parseUpload reads the number in an upload's id, if it has this hash.
func parseUpload(id, hash string) (seq int64, ok bool) {
	rest, ok := strings.CutPrefix(id, hash+"-")
	if !ok || len(rest) != seqDigits+1+randomDigits || rest[seqDigits] != '-' {
		return 0, false
	}
	seq, err := strconv.ParseInt(rest[:seqDigits], 10, 64)
	return seq, err == nil && seq >= 0
}
