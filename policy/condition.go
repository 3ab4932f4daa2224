package policy

// A condition is one compiled Condition.
type condition struct {
	op       *operator
	quantity quantifier
	ifExists bool
	broken   bool   // the operator is unknown or a value is not of its type
	variable bool   // some value holds a variable
	held     uint64 // the condition's bit of a memo
	key      key
	operands []operand
}

// newCondition compiles; what it does not understand becomes broken.
func newCondition(c Condition, variables bool) condition {
	op, q, ifExists := parseOperator(c.Operator)
	k := condition{op: op, quantity: q, ifExists: ifExists, key: newKey(c.Key)}
	if op == nil {
		k.broken = true
		return k
	}
	for _, v := range c.Values {
		o, ok := newOperand(op.family, v, variables)
		k.operands = append(k.operands, o)
		k.broken = k.broken || !ok
		k.variable = k.variable || o.variable()
	}
	return k
}

// holds evaluates the condition in a statement that denies or allows. Where the
// rules leave it open, an Allow does not hold and a Deny does.
func (k *condition) holds(c *Context, denies bool) bool {
	if k.broken || k.variable && k.unclear(c) {
		return denies // rules 1.4, 4.4
	}
	v := c.find(k.key)
	switch {
	case k.op.family == null:
		return k.wants(v == nil)
	case v == nil:
		return k.absent()
	case v.clash: // rule 4.2: an Allow wants all of them, a Deny any
		return k.some(v.list, c, denies)
	case v.several && k.quantity == single:
		return false // rule 4.5
	case v.several:
		return k.some(v.list, c, k.quantity == forAny)
	}
	return k.one(subject{from: v}, c)
}

// absent is the outcome for a key that is not there, or has no values (rules 4.3, 4.5).
func (k *condition) absent() bool {
	switch {
	case k.ifExists || k.quantity == forAll:
		return true
	case k.quantity == forAny:
		return false
	}
	return k.op.negated
}

// some reports whether any of the values satisfies the condition; or, if one is
// false, whether all do.
func (k *condition) some(values []string, c *Context, one bool) bool {
	for _, s := range values {
		if k.one(subject{text: s}, c) == one {
			return one
		}
	}
	return !one
}

// one joins the condition's values with OR, or NOR if negated (rule 4.1).
func (k *condition) one(v subject, c *Context) bool {
	return k.op.matches(v, k.operands, c) != k.op.negated
}

func (k *condition) wants(truth bool) bool {
	for i := range k.operands {
		if k.operands[i].truth == truth {
			return true
		}
	}
	return false
}

// unclear reports whether a variable among the values has two values that
// compete (rule 4.2).
func (k *condition) unclear(c *Context) bool {
	for i := range k.operands {
		if k.operands[i].unclear(c) {
			return true
		}
	}
	return false
}
