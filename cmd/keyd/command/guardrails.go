package command

import (
	"errors"
	"fmt"
	"os"

	"github.com/keyd-hsm/keyd/authz"
	"github.com/keyd-hsm/keyd/policy"
)

// GuardrailsConfig names the policies that limit everybody in the account, the
// root user too. They are read when keyd starts, so only who can write these
// files and start keyd changes them.
type GuardrailsConfig struct {
	// SCP are files with service control policies: levels, root first, each a
	// list of files. What some level does not allow, nobody may do. Default: none.
	SCP [][]string `yaml:"scp"`
	// RCP are files with resource control policies likewise; only what they deny
	// counts. Default: none.
	RCP [][]string `yaml:"rcp"`
}

// load reads and checks every file. A guardrail that cannot be read is an error:
// nothing is served without it.
func (c GuardrailsConfig) load() (authz.Guardrails, error) {
	var g authz.Guardrails
	var err error
	if g.SCP, err = loadLevels(c.SCP, policy.SCP); err != nil {
		return authz.Guardrails{}, usage(fmt.Errorf("guardrails: scp: %w", err), guardrailsHint)
	}
	if g.RCP, err = loadLevels(c.RCP, policy.RCP); err != nil {
		return authz.Guardrails{}, usage(fmt.Errorf("guardrails: rcp: %w", err), guardrailsHint)
	}
	return g, nil
}

const guardrailsHint = "name a policy document for each; docs/authorization.md says what it may hold"

func loadLevels(levels [][]string, kind policy.Kind) ([][]*policy.Policy, error) {
	var loaded [][]*policy.Policy
	for i, files := range levels {
		if len(files) == 0 {
			return nil, fmt.Errorf("level %d: %w", i+1, errEmptyLevel)
		}
		var level []*policy.Policy
		for _, file := range files {
			p, err := loadGuardrail(file, kind)
			if err != nil {
				return nil, err
			}
			level = append(level, p)
		}
		loaded = append(loaded, level)
	}
	return loaded, nil
}

// errEmptyLevel: a level of SCPs without a policy would deny everything, one of
// RCPs nothing. Neither is what somebody means who leaves it empty.
var errEmptyLevel = errors.New("no policy in it")

// loadGuardrail is strict, as for a policy that is saved: what AWS would refuse is
// a mistake of the operator's.
func loadGuardrail(file string, kind policy.Kind) (*policy.Policy, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if _, err := policy.Parse(text, kind); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return policy.Load(file, text, kind)
}
