package avro

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"unicode/utf8"

	"github.com/millrace/millrace/serde"
)

func encodeBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// encodeText appends a text with its length.
func encodeText(dst, text []byte) []byte {
	return append(binary.AppendVarint(dst, int64(len(text))), text...)
}

// encodeWhole appends an int or a long.
func encodeWhole(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	n, ok := v.Int64()
	if !ok || h.Type == Int && n != int64(int32(n)) {
		return nil, refused(h, v)
	}
	return binary.AppendVarint(dst, n), nil
}

func encodeFloat(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	f, ok := v.Float64()
	if !ok {
		return nil, refused(h, v)
	}
	if h.Type == Double {
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
	}
	if math.IsInf(float64(float32(f)), 0) && !math.IsInf(f, 0) {
		return nil, refused(h, v)
	}
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f))), nil
}

func encodeString(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	switch v.Kind() {
	case serde.String:
		text, _ := v.Text()
		if !utf8.Valid(text) {
			return nil, refuse("the text isn't UTF-8")
		}
		return encodeText(dst, text), nil
	case serde.Date, serde.Time, serde.Timestamp, serde.UUID:
		start := len(dst)
		dst, err := v.AppendText(append(dst, 0)) // none of these texts has a length of two bytes
		if err != nil {
			return nil, refuse("%s", err)
		}
		dst[start] = byte(2 * (len(dst) - start - 1))
		return dst, nil
	}
	return nil, refused(h, v)
}

func encodeBytes(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	text, ok := v.Text()
	switch {
	case !ok:
		return nil, refused(h, v)
	case v.Kind() == serde.Bytes:
		return encodeText(dst, text), nil
	}
	n, ok := base64Len(text)
	if !ok {
		return nil, noBase64(h)
	}
	out, err := base64.StdEncoding.AppendDecode(binary.AppendVarint(dst, int64(n)), text)
	if err != nil {
		return nil, noBase64(h)
	}
	return out, nil
}

func encodeFixed(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	start := len(dst)
	if u, ok := v.UUID(); ok && h.Size == len(u) {
		return append(dst, u[:]...), nil
	}
	text, ok := v.Text()
	if !ok {
		return nil, refused(h, v)
	}
	if v.Kind() == serde.Bytes {
		dst = append(dst, text...)
	} else {
		if n, ok := base64Len(text); !ok || n != h.Size {
			return nil, noBase64(h)
		}
		var err error
		if dst, err = base64.StdEncoding.AppendDecode(dst, text); err != nil {
			return nil, noBase64(h)
		}
	}
	if len(dst)-start != h.Size {
		return nil, refuse("the value has %d bytes, %s has %d", len(dst)-start, h.title(), h.Size)
	}
	return dst, nil
}

// base64Len is how many bytes a padded base64 text stands for. Line breaks, which decoding would pass over, aren't taken.
func base64Len(text []byte) (n int, ok bool) {
	pad := 0
	for pad < 2 && pad < len(text) && text[len(text)-1-pad] == '=' {
		pad++
	}
	for _, c := range text {
		if c < ' ' {
			return 0, false
		}
	}
	return len(text)/4*3 - pad, len(text)%4 == 0
}

func noBase64(h *shape) *misfit {
	return refuse("the value is a text that isn't base64 of %s", h.title())
}

func encodeEnum(dst []byte, h *shape, v serde.Value) ([]byte, *misfit) {
	text, _ := v.Text()
	i, ok := h.index[string(text)]
	if v.Kind() != serde.String || !ok {
		return nil, refused(h, v)
	}
	return binary.AppendVarint(dst, int64(i)), nil
}
