package pattern

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A letter is a character of a pattern in the forms in which it may stand in an event's text: itself, in lower case and in upper case. They may differ in length.
type letter [][]byte

func letters(text string) []letter {
	all := make([]letter, 0, len(text))
	for _, r := range text {
		l := letter{[]byte(string(r))}
		if r <= 0xFFFF {
			l = l.with(lowerCase(r)).with(upperCase(r))
		}
		all = append(all, l)
	}
	return all
}

func (l letter) with(form string) letter {
	for _, have := range l {
		if string(have) == form {
			return l
		}
	}
	return append(l, []byte(form))
}

func lowerCase(r rune) string {
	if r == 'İ' {
		return "i\u0307" // the one lower case of two characters in Unicode's SpecialCasing.txt
	}
	return string(unicode.ToLower(r))
}

func upperCase(r rune) string {
	for entry := range strings.FieldsSeq(longUpperCases) {
		if first, size := utf8.DecodeRuneInString(entry); first == r {
			return entry[size:]
		}
	}
	return string(unicode.ToUpper(r))
}

// longUpperCases are the letters whose upper case has several characters, each with it, from Unicode's SpecialCasing.txt. That list doesn't
// change any more: unicode.org/policies/stability_policy.html.
const longUpperCases = "ßSS ŉʼN ǰJ̌ ΐΪ́ ΰΫ́ ևԵՒ ẖH̱ ẗT̈ ẘW̊ ẙY̊ ẚAʾ ὐΥ̓ ὒΥ̓̀ ὔΥ̓́ ὖΥ̓͂ ᾀἈΙ" +
	" ᾁἉΙ ᾂἊΙ ᾃἋΙ ᾄἌΙ ᾅἍΙ ᾆἎΙ ᾇἏΙ ᾈἈΙ ᾉἉΙ ᾊἊΙ ᾋἋΙ ᾌἌΙ ᾍἍΙ ᾎἎΙ ᾏἏΙ ᾐἨΙ ᾑἩΙ" +
	" ᾒἪΙ ᾓἫΙ ᾔἬΙ ᾕἭΙ ᾖἮΙ ᾗἯΙ ᾘἨΙ ᾙἩΙ ᾚἪΙ ᾛἫΙ ᾜἬΙ ᾝἭΙ ᾞἮΙ ᾟἯΙ ᾠὨΙ ᾡὩΙ ᾢὪΙ" +
	" ᾣὫΙ ᾤὬΙ ᾥὭΙ ᾦὮΙ ᾧὯΙ ᾨὨΙ ᾩὩΙ ᾪὪΙ ᾫὫΙ ᾬὬΙ ᾭὭΙ ᾮὮΙ ᾯὯΙ ᾲᾺΙ ᾳΑΙ ᾴΆΙ ᾶΑ͂" +
	" ᾷΑ͂Ι ᾼΑΙ ῂῊΙ ῃΗΙ ῄΉΙ ῆΗ͂ ῇΗ͂Ι ῌΗΙ ῒΪ̀ ΐΪ́ ῖΙ͂ ῗΪ͂ ῢΫ̀ ΰΫ́ ῤΡ̓ ῦΥ͂" +
	" ῧΫ͂ ῲῺΙ ῳΩΙ ῴΏΙ ῶΩ͂ ῷΩ͂Ι ῼΩΙ ﬀFF ﬁFI ﬂFL ﬃFFI ﬄFFL ﬅST ﬆST ﬓՄՆ ﬔՄԵ" +
	" ﬕՄԻ ﬖՎՆ ﬗՄԽ"

// cutPrefix is text without the letters at its beginning.
func cutPrefix(text []byte, letters []letter) ([]byte, bool) {
	for i := range letters {
		n := letters[i].begins(text)
		if n < 0 {
			return nil, false
		}
		text = text[n:]
	}
	return text, true
}

// endsIn reports whether text ends in the letters.
func endsIn(text []byte, letters []letter) bool {
	for i := len(letters) - 1; i >= 0; i-- {
		n := letters[i].ends(text)
		if n < 0 {
			return false
		}
		text = text[:len(text)-n]
	}
	return true
}

// begins is the length of the form that text begins with, -1 if there is none. No letter has two forms of which one begins with or ends in the other.
func (l letter) begins(text []byte) int {
	for _, form := range l {
		if bytes.HasPrefix(text, form) {
			return len(form)
		}
	}
	return -1
}

// ends is the length of the form that text ends in, -1 if there is none.
func (l letter) ends(text []byte) int {
	for _, form := range l {
		if bytes.HasSuffix(text, form) {
			return len(form)
		}
	}
	return -1
}
