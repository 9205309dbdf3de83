"""Credentials: what a request carries so that an API believes who asks.

Read in this order:

    base        what a way to authenticate is: a request as far as it is known becomes what is added to it
    secrets     reading a credential from where the config says it is
    source      everything that a source adds: headers, parameters, and its one way to authenticate
    registry    which class serves which part of a config
    plain       Basic, Bearer and other schemes that need nothing but the secret
    tokens      a token that is asked for, kept, renewed ahead of its end and once when it is refused
    endpoint    asking for a token: one exchange under the limits of the source
    bearer      a token in the Authorization header, and what an answer must hold
    refresh     a refresh token that changes with each use, and the file that keeps it
    oauth2      the grants of OAuth 2
    service_account     Google's: an assertion signed with the account's key
    login       a request whose answer holds a token
    signature   a keyed hash of a described text
    aws         Signature Version 4 of AWS, by botocore
"""
