//! A small server of KurrentDB's protocol, with faults on command.
