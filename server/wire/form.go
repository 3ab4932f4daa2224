package wire

import (
	"net/url"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// Form is a request of the query protocol: parameters by name, sorted. It can
// be a body of type application/x-www-form-urlencoded or a URL's query.
type Form struct {
	params []param
}

type param struct{ name, value string }

// ParseForm reads a form. It refuses with a *[SerializationError] bad escapes,
// text that is not UTF-8, a parameter without a name, a name that occurs twice
// (which of the two was meant cannot be known, and what was checked must be what
// is used), more than 4,096 parameters, and names longer than 512 bytes.
func ParseForm(body []byte) (Form, error) {
	var f Form
	rest := string(body)
	for rest != "" {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		if pair == "" {
			continue
		}
		if len(f.params) == maxParams {
			return Form{}, badForm("too many parameters")
		}
		p, err := parsePair(pair)
		if err != nil {
			return Form{}, err
		}
		f.params = append(f.params, p)
	}
	slices.SortFunc(f.params, func(a, b param) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(f.params); i++ {
		if f.params[i].name == f.params[i-1].name {
			return Form{}, badForm("duplicate parameter")
		}
	}
	return f, nil
}

func parsePair(pair string) (param, error) {
	name, value, _ := strings.Cut(pair, "=")
	name, err1 := url.QueryUnescape(name)
	value, err2 := url.QueryUnescape(value)
	switch {
	case err1 != nil || err2 != nil:
		return param{}, badForm("invalid percent escape")
	case !utf8.ValidString(name) || !utf8.ValidString(value):
		return param{}, badForm("parameter is not UTF-8")
	case name == "":
		return param{}, badForm("parameter without a name")
	case len(name) > maxParamName:
		return param{}, badForm("parameter name too long")
	}
	return param{name, value}, nil
}

// Action returns the operation's name, or "" when the form has none.
func (f Form) Action() string { v, _ := f.find("Action"); return v }

// Version returns the API version asked for, or "" when the form has none.
func (f Form) Version() string { v, _ := f.find("Version"); return v }

// find returns the value of a parameter.
func (f Form) find(name string) (string, bool) {
	i, ok := slices.BinarySearchFunc(f.params, name, func(p param, name string) int {
		return strings.Compare(p.name, name)
	})
	if !ok {
		return "", false
	}
	return f.params[i].value, true
}

// below returns the parameters whose names begin with prefix. As the form is
// sorted, they stand together.
func (f Form) below(prefix string) Form {
	from, _ := slices.BinarySearchFunc(f.params, prefix, func(p param, prefix string) int {
		return strings.Compare(p.name, prefix)
	})
	rest := f.params[from:]
	n := sort.Search(len(rest), func(i int) bool { return !strings.HasPrefix(rest[i].name, prefix) })
	return Form{rest[:n]}
}
