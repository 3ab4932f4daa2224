package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/keyd-hsm/keyd/server"
)

// MFAConfig is about devices that prove that a person is there.
type MFAConfig struct {
	// Socket is the path of the Unix socket on which local programs ask whether a
	// person is there (docs/spec/mfa.md). It needs LocalUsers. Default: none.
	Socket string `yaml:"socket"`
	// SocketMode is its permissions, in octal. Default: "0600".
	SocketMode string `yaml:"socket_mode"`
	// LocalUsers says who may do what there. What no rule allows is refused.
	LocalUsers []LocalUserConfig `yaml:"local_users"`
	// PIV is what is asked of security keys. Default: nothing.
	PIV PIVConfig `yaml:"piv"`
}

// LocalUserConfig lets local users ask about users of the account.
type LocalUserConfig struct {
	// Who are local users, by name or uid; "*" is everybody. Needed.
	Who []string `yaml:"who"`
	// About are users of the account, by name; "*" is every user, "$self" the one
	// who has the name of the local user. The root user of the account is "root",
	// and neither of those two. Needed.
	About []string `yaml:"about"`
	// May are rights: ask, answer, credentials. Default: ask, answer.
	May []string `yaml:"may"`
}

// Words of the rules.
const (
	everyone = "*"
	self     = "$self"
)

const localUsersHint = `write, for example: mfa: {local_users: [{who: [root], about: ["*"]}, {who: ["*"], about: [$self], may: [answer]}]}`

var iamUserName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)

// check refuses what cannot be meant; docs/keyd.yaml has it right.
func (c MFAConfig) check(api ListenConfig) error {
	if _, err := c.mode(); err != nil {
		return fmt.Errorf("mfa: socket_mode %q: want octal permissions, as in 0660", c.SocketMode)
	}
	switch {
	case c.Socket != "" && len(c.LocalUsers) == 0:
		return usage(errors.New("mfa: socket is set, but local_users has no rule: nobody might use it"), localUsersHint)
	case c.Socket == "" && len(c.LocalUsers) > 0:
		return errors.New("mfa: local_users has rules, but socket is not set: they would do nothing")
	case c.Socket != "" && c.Socket == api.Socket:
		return errors.New("mfa: socket is that of listen: it needs a path of its own")
	}
	for i, rule := range c.LocalUsers {
		if err := rule.check(); err != nil {
			return fmt.Errorf("mfa: rule %d of local_users: %w", i+1, err)
		}
	}
	return c.PIV.check()
}

func (c MFAConfig) mode() (fs.FileMode, error) { return ListenConfig{SocketMode: c.SocketMode}.mode() }

func (r LocalUserConfig) check() error {
	if len(r.Who) == 0 {
		return errors.New(`who is not set: name local users, or "*"`)
	}
	if len(r.About) == 0 {
		return errors.New(`about is not set: name users of the account, "*" or "$self"`)
	}
	for _, name := range r.About {
		if name != everyone && name != self && !iamUserName.MatchString(name) {
			return fmt.Errorf(`about %q: want the name of a user of the account, "*" or "$self"`, name)
		}
	}
	for _, right := range r.May {
		if !slices.Contains([]server.Right{server.MayAsk, server.MayAnswer, server.MayCredentials}, server.Right(right)) {
			return fmt.Errorf("may %q: want ask, answer or credentials", right)
		}
	}
	return nil
}

// rules resolves the local users. One that the machine does not know is an error:
// the rule would be for nobody now, and for somebody else perhaps later.
func (c MFAConfig) rules() ([]server.LocalRule, error) {
	var all []server.LocalRule
	for i, in := range c.LocalUsers {
		r, err := in.rule()
		if err != nil {
			return nil, usage(fmt.Errorf("mfa: rule %d of local_users: %w", i+1, err), "name users that this machine has, or their uids")
		}
		all = append(all, r)
	}
	return all, nil
}

func (r LocalUserConfig) rule() (server.LocalRule, error) {
	out := server.LocalRule{May: []server.Right{server.MayAsk, server.MayAnswer}}
	for _, who := range r.Who {
		if who == everyone {
			out.Everybody = true
			continue
		}
		uid, err := uidOf(who)
		if err != nil {
			return out, err
		}
		out.UIDs = append(out.UIDs, uid)
	}
	for _, name := range r.About {
		switch name {
		case everyone:
			out.AnyUser = true
		case self:
			out.Self = true
		default:
			out.Users = append(out.Users, name)
		}
	}
	if len(r.May) > 0 {
		out.May = nil
		for _, right := range r.May {
			out.May = append(out.May, server.Right(right))
		}
	}
	return out, nil
}

// uidOf is the number of a local user, given as such or by name.
func uidOf(who string) (uint32, error) {
	number := who
	if strings.Trim(who, "0123456789") != "" {
		u, err := user.Lookup(who)
		if err != nil {
			return 0, fmt.Errorf("who %q: %w", who, err)
		}
		number = u.Uid
	}
	uid, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("who %q: want the name or uid of a local user", who)
	}
	return uint32(uid), nil
}
