package policy

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Rebind returns the policy's text with the users, roles and sessions that its
// principals name put through name, and all else untouched. Before a key or
// trust policy is saved, name gives the unique id for an ARN, and false for what
// does not exist, which refuses the policy (rule 2.4). When it is shown, name
// gives the ARN for a unique id, or the id again if nobody has it any more.
// Accounts, services, providers and "*" are not asked for.
func (p *Policy) Rebind(name func(principal string) (string, bool)) ([]byte, error) {
	var b bytes.Buffer
	done := 0
	for _, s := range p.Statements {
		for _, e := range s.Principals.Entries {
			if _, account := e.account(); account || e.Type != "AWS" || e.Value == "*" {
				continue
			}
			to, ok := name(e.Value)
			if !ok {
				return nil, s.invalidPrincipal(p, e)
			}
			if to == e.Value {
				continue
			}
			quoted, err := jsontext.AppendQuote(nil, to)
			if err != nil {
				return nil, s.invalidPrincipal(p, e)
			}
			b.Write(p.text[done:e.start])
			b.Write(quoted)
			done = e.end
		}
	}
	b.Write(p.text[done:])
	return b.Bytes(), nil
}
