package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/spf13/cobra"

	"github.com/keyd-hsm/keyd/internal/term"
	"github.com/keyd-hsm/keyd/policy"
)

func newPolicy(c *cli) *cobra.Command {
	cmd := parent("policy", "Make, give, check and explain policies",
		newPolicyCreate(c), newPolicyList(c), newPolicyShow(c), newPolicyVersions(c), newPolicyUpdate(c), newPolicyDelete(c),
		newPolicyAttach(c), newPolicyDetach(c), newPolicyPutInline(c), newPolicyDeleteInline(c),
		newPolicyLint(c), newPolicySummary(c), newPolicySimulate(c))
	cmd.Long = `Make, give, check and explain policies.

POLICY is an ARN, or the name of one of this account's managed policies or of
those that every account has, such as ReadOnlyAccess. Lint and summary read
files and need no keyd.`
	return cmd
}

// managedDoc is the JSON of a managed policy, as IAM answers it.
type managedDoc struct {
	PolicyName       string
	PolicyID         string `json:"PolicyId"`
	ARN              string `json:"Arn"`
	Path             string
	Description      string
	DefaultVersionID string `json:"DefaultVersionId"`
	AttachmentCount  int32
	CreateDate       time.Time
	UpdateDate       time.Time
	Tags             []tagDoc `json:",omitempty"`
}

func newManagedDoc(p types.Policy) managedDoc {
	doc := managedDoc{
		PolicyName: aws.ToString(p.PolicyName), PolicyID: aws.ToString(p.PolicyId), ARN: aws.ToString(p.Arn), Path: aws.ToString(p.Path),
		Description: aws.ToString(p.Description), DefaultVersionID: aws.ToString(p.DefaultVersionId),
		AttachmentCount: aws.ToInt32(p.AttachmentCount), CreateDate: aws.ToTime(p.CreateDate).UTC(), UpdateDate: aws.ToTime(p.UpdateDate).UTC(),
	}
	if len(p.Tags) > 0 {
		doc.Tags = tagDocs(p.Tags)
	}
	return doc
}

func (p managedDoc) table() *term.Table {
	t := term.NewTable()
	t.Row("policy", p.PolicyName)
	t.Row("arn", p.ARN)
	t.Row("version", p.DefaultVersionID)
	t.Row("attached", fmt.Sprintf("%d times", p.AttachmentCount))
	t.Row("created", when(p.CreateDate))
	t.Row("updated", when(p.UpdateDate))
	t.Row("tags", tagText(p.Tags))
	t.Row("description", orDash(p.Description))
	return t
}

// policyARN returns the ARN of a managed policy. A name is looked for in the
// account first, then among the policies that every account has. A caller who
// may not look means the account's own.
func (cl *client) policyARN(ctx context.Context, name string) (string, error) {
	if strings.HasPrefix(name, "arn:") {
		return name, nil
	}
	account, err := cl.account(ctx)
	if err != nil {
		return "", err
	}
	own := "arn:aws:iam::" + account + ":policy/" + strings.TrimPrefix(name, "/")
	for _, arn := range []string{own, "arn:aws:iam::aws:policy/" + name} {
		_, err := cl.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
		switch {
		case err == nil:
			return arn, nil
		case denied(err):
			return own, nil
		case !noEntity(err):
			return "", err
		}
	}
	return "", failf(exitNotFound, `"keyctl policy list" shows what is there; a policy with a path is named by its ARN`, "policy %s: not found", name)
}

// optionalPolicy is policyARN for a flag; nil if it was not given.
func (cl *client) optionalPolicy(ctx context.Context, name string) (*string, error) {
	if name == "" {
		return nil, nil
	}
	arn, err := cl.policyARN(ctx, name)
	return &arn, err
}

// readDocument reads a policy from a file ("" and "-" are standard input) and
// refuses what keyd would refuse, but says where in the file the fault is.
func (c *cli) readDocument(file string, kind policy.Kind) (string, error) {
	text, err := c.readPolicyText(file)
	if err != nil {
		return "", err
	}
	_, err = policy.Parse(text, kind)
	if fault, ok := errors.AsType[*policy.Error](err); ok {
		return "", usagef("keyctl policy lint checks files without keyd", "%s: %s", place(file, fault), faultText(fault))
	}
	if errors.Is(err, policy.ErrTooLarge) {
		return "", usagef("", "%s: too large for a %s", fileName(file), kind)
	}
	return string(text), err
}

// connectWith reads a policy, and connects if it is one.
func (c *cli) connectWith(ctx context.Context, file string, kind policy.Kind) (*client, string, error) {
	text, err := c.readDocument(file, kind)
	if err != nil {
		return nil, "", err
	}
	cl, err := c.connect(ctx)
	return cl, text, err
}

func (c *cli) readPolicyText(file string) ([]byte, error) {
	text, err := c.read(input{in: file}, policy.MaxBytes)
	if errors.Is(err, errTooLarge) {
		return nil, usagef("join statements that differ only in a few actions or resources", "policy %s: more than 131,072 bytes", fileName(file))
	}
	return text, err
}

// showDocument prints a policy for people, indented if it is JSON.
func (c *cli) showDocument(title, text string) error {
	var pretty bytes.Buffer
	pretty.WriteString(title)
	if err := json.Indent(&pretty, []byte(strings.TrimSpace(text)), "", "  "); err != nil {
		pretty.WriteString(text)
	}
	pretty.WriteByte('\n')
	return c.put("", raw, pretty.Bytes())
}
