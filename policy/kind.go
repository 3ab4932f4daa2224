package policy

// Kind says what a policy is attached to, and so which elements it may have.
type Kind int

// The kinds of policy.
const (
	Identity Kind = iota // of a user, group or role
	Key                  // of a KMS key
	Trust                // of a role: who may assume it
	Session              // passed when a session is made
	Boundary             // the most that a user or role may be allowed
	SCP                  // guardrail on the principals of an account
	RCP                  // guardrail on the resources of an account
)

func (k Kind) String() string {
	switch k {
	case Identity:
		return "identity policy"
	case Key:
		return "key policy"
	case Trust:
		return "trust policy"
	case Session:
		return "session policy"
	case Boundary:
		return "permissions boundary"
	case SCP:
		return "service control policy"
	case RCP:
		return "resource control policy"
	}
	return "policy of unknown kind"
}

// namesPrincipals reports whether statements of the kind say whom they are for.
func (k Kind) namesPrincipals() bool { return k == Key || k == Trust || k == RCP }

// current reports whether the kind demands Version 2012-10-17.
func (k Kind) current() bool { return k != Key && k != Trust }
