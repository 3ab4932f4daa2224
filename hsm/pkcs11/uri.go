package pkcs11

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/keyd-hsm/keyd/hsm"
)

// URI says which token is meant, as a PKCS#11 URI does (RFC 7512):
//
//	pkcs11:token=production;serial=1234?module-path=/usr/lib/softhsm/libsofthsm2.so
//
// An empty field matches every token.
type URI struct {
	Token        string // CK_TOKEN_INFO's label
	Manufacturer string
	Serial       string
	Model        string
	// SlotID is the slot's number, nil for any. Many modules renumber slots:
	// prefer Token or Serial.
	SlotID *uint
	// ModulePath is the file of the PKCS#11 module, "" when not said.
	ModulePath string
}

// maxURI bounds what ParseURI reads: every attribute of a token is at most 32
// bytes, and a path at most 4,096.
const maxURI = 8 << 10

// ParseURI parses the URI of a token. It refuses what it would have to ignore:
// attributes that name an object, unknown ones, one given twice, and a PIN,
// which has no place in a configuration text.
func ParseURI(s string) (URI, error) {
	rest, ok := strings.CutPrefix(s, "pkcs11:")
	if !ok {
		return URI{}, errors.New(`pkcs11 URI: does not begin with "pkcs11:"`)
	}
	if len(s) > maxURI {
		return URI{}, fmt.Errorf("pkcs11 URI: longer than %d bytes", maxURI)
	}
	path, query, _ := strings.Cut(rest, "?")
	var u URI
	if err := u.parse(path, ";", u.pathAttribute()); err != nil {
		return URI{}, err
	}
	if err := u.parse(query, "&", u.queryAttribute()); err != nil {
		return URI{}, err
	}
	return u, nil
}

// parse splits one of the URI's two parts and hands each attribute to set.
// No error repeats a value: it may be a PIN in the wrong place.
func (u *URI) parse(part, separator string, set func(name, value string) error) error {
	if part == "" {
		return nil
	}
	seen := make(map[string]bool)
	for attribute := range strings.SplitSeq(part, separator) {
		name, value, ok := strings.Cut(attribute, "=")
		if !ok || name == "" {
			return errors.New("pkcs11 URI: attribute is not name=value")
		}
		if seen[name] {
			return fmt.Errorf("pkcs11 URI: attribute %q is given twice", name)
		}
		seen[name] = true
		value, err := url.PathUnescape(value)
		if err != nil {
			return fmt.Errorf("pkcs11 URI: attribute %q: broken %%-encoding", name)
		}
		if value == "" || strings.ContainsRune(value, 0) {
			return fmt.Errorf("pkcs11 URI: attribute %q: empty, or holds a zero byte", name)
		}
		if err := set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (u *URI) pathAttribute() func(name, value string) error {
	return func(name, value string) error {
		switch name {
		case "token":
			u.Token = value
		case "manufacturer":
			u.Manufacturer = value
		case "serial":
			u.Serial = value
		case "model":
			u.Model = value
		case "slot-id":
			n, err := strconv.ParseUint(value, 10, strconv.IntSize)
			if err != nil {
				return errors.New("pkcs11 URI: slot-id is not a decimal number")
			}
			id := uint(n)
			u.SlotID = &id
		case "object", "type", "id":
			return fmt.Errorf("pkcs11 URI: attribute %q names an object; a token is wanted", name)
		default:
			return fmt.Errorf("pkcs11 URI: attribute %q is not supported in the path", name)
		}
		return nil
	}
}

func (u *URI) queryAttribute() func(name, value string) error {
	return func(name, value string) error {
		switch name {
		case "module-path":
			u.ModulePath = value
		case "pin-value":
			return errors.New("pkcs11 URI: pin-value is refused: a PIN must not stand in a URI; give it by file, environment, credential or prompt")
		case "pin-source":
			return errors.New("pkcs11 URI: pin-source is refused: name the source of the PIN in the configuration")
		default:
			return fmt.Errorf("pkcs11 URI: attribute %q is not supported in the query", name)
		}
		return nil
	}
}

// String gives the URI that ParseURI reads back.
func (u URI) String() string {
	var path []string
	add := func(name, value string) {
		if value != "" {
			path = append(path, name+"="+escape(value))
		}
	}
	add("token", u.Token)
	add("manufacturer", u.Manufacturer)
	add("serial", u.Serial)
	add("model", u.Model)
	if u.SlotID != nil {
		add("slot-id", strconv.FormatUint(uint64(*u.SlotID), 10))
	}
	s := "pkcs11:" + strings.Join(path, ";")
	if u.ModulePath != "" {
		s += "?module-path=" + escape(u.ModulePath)
	}
	return s
}

// escape encodes every byte that stands for itself nowhere or separates
// somewhere. RFC 7512 section 2.3 allows a few more in clear; encoding them is
// always right.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/:", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// matches reports whether a token in a slot is one that the URI describes.
func (u URI) matches(slot uint, i hsm.Info) bool {
	same := func(want, is string) bool { return want == "" || want == is }
	return same(u.Token, i.Label) && same(u.Serial, i.Serial) &&
		same(u.Manufacturer, i.Manufacturer) && same(u.Model, i.Model) &&
		(u.SlotID == nil || *u.SlotID == slot)
}
