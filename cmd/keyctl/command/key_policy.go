package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/policy"
)

// maxPolicy is the largest key policy that KMS takes, in bytes.
const maxPolicy = 32 << 10

func newKeyPolicy(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "See and set who may use a key",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(newKeyPolicyGet(c), newKeyPolicyPut(c))
	return cmd
}

func newKeyPolicyGet(c *cli) *cobra.Command {
	return c.onKey(&cobra.Command{
		Use:     "get KEY",
		Short:   "Print a key's policy, ready to edit and put back",
		Example: "  keyctl key policy get alias/app > policy.json",
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, cl *client, arn string, _ []string) error {
		return c.keyPolicyGet(ctx, cl, arn)
	})
}

// policyDoc is the JSON of key policy get.
type policyDoc struct {
	KeyID      string `json:"KeyId"`
	PolicyName string
	Policy     string
}

func (c *cli) keyPolicyGet(ctx context.Context, cl *client, arn string) error {
	out, err := cl.kms.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &arn})
	if err != nil {
		return err
	}
	doc := policyDoc{arn, aws.ToString(out.PolicyName), aws.ToString(out.Policy)}
	if c.format == outputJSON {
		return c.json(doc)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(doc.Policy), "", "  "); err != nil {
		return failf(exitFailure, "see it as it is with -o json", "policy of %s: not JSON: %w", arn, err)
	}
	return c.put("", raw, append(pretty.Bytes(), '\n'))
}

type keyPolicyPutOptions struct {
	key, file string
	bypass    bool
}

func newKeyPolicyPut(c *cli) *cobra.Command {
	o := &keyPolicyPutOptions{}
	cmd := &cobra.Command{
		Use:     "put KEY [FILE]",
		Short:   "Set a key's policy, from FILE or standard input",
		Example: "  keyctl key policy put alias/app policy.json",
		Args:    cobra.RangeArgs(1, 2),
		RunE: c.run(func(ctx context.Context, args []string) error {
			o.key, o.file = args[0], "-"
			if len(args) > 1 {
				o.file = args[1]
			}
			return c.keyPolicyPut(ctx, *o)
		}),
	}
	cmd.Flags().BoolVar(&o.bypass, "bypass-lockout-check", false, "accept a policy after which you could not change it any more")
	cmd.ValidArgsFunction = c.completeKey(0)
	return cmd
}

func (c *cli) keyPolicyPut(ctx context.Context, o keyPolicyPutOptions) error {
	text, err := c.readPolicy(o.file)
	if err != nil {
		return err
	}
	return c.change(ctx, o.key, func(cl *client, arn *string) error {
		_, err := cl.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{
			KeyId: arn, Policy: &text, BypassPolicyLockoutSafetyCheck: o.bypass,
		})
		return err
	}, "policy set")
}

// readPolicy reads a policy and says where it is no JSON, which the service
// does not; all else about it is judged there. It warns of a policy after which
// only those it names have a say.
func (c *cli) readPolicy(file string) (string, error) {
	text, err := c.read(input{in: file}, maxPolicy)
	if errors.Is(err, errTooLarge) {
		return "", usagef("join statements that differ only in a few actions or principals", "policy: more than 32,768 bytes")
	}
	if err != nil {
		return "", err
	}
	if !json.Valid(text) {
		return "", usagef("keyctl key policy get shows one that is", "policy %s: %s", file, whereNotJSON(text))
	}
	if p, err := policy.Parse(text, policy.Key); err == nil && !delegates(p, text) {
		fmt.Fprintf(c.err, "warning: policy %s: %s\n", fileName(file), undelegated)
	}
	return string(text), nil
}

// whereNotJSON says at which line a text stops being JSON.
func whereNotJSON(text []byte) string {
	var any json.RawMessage
	err := json.Unmarshal(text, &any)
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return "not JSON"
	}
	before := text[:min(int(syntax.Offset), len(text))]
	return fmt.Sprintf("not JSON: line %d: %v", 1+bytes.Count(before, []byte("\n")), syntax)
}
