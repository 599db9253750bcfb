//! Causes between an instance and a server.

use super::{Known, ROW};

pub(super) const ROWS: &[Known] = &[
    Known {
        id: "proxy",
        said: &[
            "proxy authentication required",
            "407 proxy",
            "status 407",
            "could not resolve proxy",
            "unable to connect to proxy",
            "cannot connect to proxy",
            "from proxy after connect",
            "connect tunnel failed",
            "proxyconnect",
            "tunnel connection failed",
        ],
        title: "the proxy did not pass the call on",
        helps: &[
            "Check `http_proxy`, `https_proxy` and `no_proxy` on the instance, and whether the proxy allows {host} and can be \
             reached from the subnet.",
        ],
        outside: "The cause is outside of the plan: the proxy or its rules.",
        suspects: &["component", "subnets", "securityGroups"],
        words: &["proxy"],
        ..ROW
    },
    Known {
        id: "dns",
        said: &[
            "failed to lookup address information",
            "name or service not known",
            "temporary failure in name resolution",
            "temporary failure resolving",
            "could not resolve",
            "couldn't resolve host",
            "no address associated with hostname",
            "nodename nor servname",
            "getaddrinfo",
            "no such host",
            "unable to resolve host",
            "nxdomain",
            "host not found",
        ],
        title: "the name {host} cannot be resolved on the instance",
        helps: &[
            "Check the spelling of {host}. If it is wrong, correct it in a new version of {component}.",
            "If it is right, the DNS of the subnet's VPC does not know it: associate the private hosted zone with this VPC, or \
             correct the DHCP options or the resolver rules.",
            "If other names cannot be resolved either, a step has changed /etc/resolv.conf, or the VPC has no DNS support.",
        ],
        outside: "The cause is outside of the plan: the DNS record of {host}, or the resolver of the VPC.",
        suspects: &["subnets", "component"],
        words: &["resolv", "nameserver", "nsswitch", "dns", "/etc/hosts"],
        ..ROW
    },
    Known {
        id: "tls",
        said: &[
            "certificate verify failed",
            "ssl certificate problem",
            "certificate has expired",
            "unable to get local issuer certificate",
            "self-signed certificate",
            "self signed certificate",
            "x509:",
            "unknownissuer",
            "unknown issuer",
            "invalid peer certificate",
            "certificate is not trusted",
            "no alternative certificate subject name",
            "ssl: no alternative",
            "server certificate verification failed",
            "handshake failure",
            "certexpired",
            "notvalidforname",
        ],
        title: "the certificate of {host} is not accepted",
        helps: &[
            "Look at it: `openssl s_client -connect {host}:443 -servername {host}`. It may have expired, be for another name, or \
             be signed by an authority that the instance does not know.",
            "For an authority of your own, install its certificate in an early step (`update-ca-certificates`, `update-ca-trust`); \
             for an old source image, update the package ca-certificates. Do not switch the check off.",
        ],
        outside: "The cause is outside of the plan: the certificate of {host}, or a proxy that replaces it.",
        suspects: &["source image", "component"],
        words: &["https", "ca-cert", "ca-trust", "certificate", "proxy"],
        ..ROW
    },
    Known {
        id: "http-unauthorized",
        said: &["status 401", "401 unauthorized", "error: 401", "http 401", "status code 401", "401 client error"],
        title: "{host} does not accept the credentials (401)",
        helps: &[
            "Renew the token or password that {step} sends: it may have expired. Keep it in the Parameter Store and refer to it \
             as `{{ aws:ssm:/path/name }}`.",
        ],
        outside: "The cause is outside of the plan: the credentials have expired or were withdrawn.",
        suspects: &["component"],
        words: &["token", "password", "authorization", "http"],
        ..ROW
    },
    Known {
        id: "http-forbidden",
        said: &["status 403", "403 forbidden", "error: 403", "http 403", "status code 403", "403 client error"],
        title: "{host} refuses the file (403)",
        helps: &[
            "Check whether the address of the instance and the credentials of {step} may read {url}: a list of allowed addresses, \
             a bucket's policy, or a link that has expired. Some servers answer 403 if the file does not exist.",
        ],
        outside: "The cause is outside of the plan: the rules of {host}, or the file.",
        suspects: &["component", "subnets", "instanceProfile"],
        words: &["http", "s3"],
        ..ROW
    },
    Known {
        id: "http-not-found",
        said: &[
            "status 404",
            "404 not found",
            "error: 404",
            "http 404",
            "status code 404",
            "404 client error",
            "nosuchkey",
        ],
        title: "{host} does not have the file (404)",
        helps: &[
            "Check {url}. If it names a version, the server may have removed or renamed it: correct it in a new version of \
             {component}, or keep the file where it stays.",
        ],
        outside: "The cause is outside of the plan: the file was removed or renamed on {host}.",
        suspects: &["component"],
        words: &["http", "s3"],
        ..ROW
    },
    Known {
        id: "http-server-error",
        said: &[
            "status 500",
            "status 502",
            "status 503",
            "status 504",
            "error: 500",
            "error: 502",
            "error: 503",
            "error: 504",
            "500 internal server error",
            "502 bad gateway",
            "503 service unavailable",
            "504 gateway time",
            "503 slow down",
        ],
        title: "{host} has failed (5xx)",
        helps: &[
            "Start a new build when {host} works again. Its operators find the reason in its log.",
            "Let {step} try again with `maxAttempts`, or keep what it needs on a server of your own.",
        ],
        outside: "The cause is outside of the plan: {host}.",
        suspects: &["component"],
        words: &["http"],
        ..ROW
    },
    Known {
        id: "connection-refused",
        said: &["connection refused", "couldn't connect to server", "econnrefused", "connect: refused"],
        title: "nothing answers at {host}",
        helps: &[
            "Start what should listen there, or correct the address and the port that {step} calls.",
            "If it is on another machine, check whether its service runs and whether a firewall rejects the instance.",
        ],
        outside: "The cause is outside of the plan: the service at {host} does not run.",
        suspects: &["component", "securityGroups", "subnets"],
        words: &["systemctl", "service", "enable", "listen", "port", "http"],
        ..ROW
    },
    Known {
        id: "connection-timed-out",
        said: &[
            "connection timed out",
            "operation timed out",
            "no route to host",
            "network is unreachable",
            "connect timed out",
            "i/o timeout",
            "etimedout",
            "connection timeout",
            "failed to connect to",
            "timed out reading",
            "timeout: global",
            "timeout: connect",
            "network unreachable",
        ],
        title: "{host} cannot be reached from the instance",
        helps: &[
            "Check the way from the subnet to {host}: its route table (NAT gateway, internet gateway, peering, endpoint), the \
             security group and the network ACL, and the firewall in front of {host}.",
            "Check whether {host} itself is up.",
        ],
        outside: "The cause is outside of the plan: the network between the subnet and {host}, or {host} itself.",
        suspects: &["subnets", "securityGroups", "component"],
        words: &["http", "proxy", "iptables", "nft", "route"],
        ..ROW
    },
    Known {
        id: "connection-broken",
        said: &[
            "connection reset by peer",
            "ended early",
            "unexpected eof while reading",
            "broken pipe",
            "transfer closed",
        ],
        title: "the connection to {host} broke off",
        helps: &[
            "Let {step} try again with `maxAttempts`, and start a new build. If it stays, look at {host} and at proxies.",
        ],
        outside: "The cause is outside of the plan: {host}, or the network on the way.",
        words: &["http"],
        ..ROW
    },
];
