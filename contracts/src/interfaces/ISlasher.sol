// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title ISlasher
/// @notice Takes proofs that a validator contradicted itself. A proof convinces by itself: two statements under one key
/// that no honest validator both makes. Anyone may post one, and nobody votes on it.
///
/// A statement's signature is over eight words, `keccak256(abi.encode(keccak256(kind), chainId, locking, incarnation,
/// epoch, term, slot, content))`, with the id of the L2 chain and the address of the pool, and `content` the keccak256
/// of its own words. The nodes' side is `consensus/control/src/proof.rs`.
///
/// | kind | its words | slot |
/// |---|---|---|
/// | `horae.v1.block` | number, hash | its slot |
/// | `horae.v1.ack` | number, hash, certNumber, certHash (zeros for no certificate) | its slot |
/// | `horae.v1.close` | certNumber, certHash, keccak256 of `listed`, attached | 0 |
/// | `horae.v1.vote`, `horae.v1.proposal` | step (0 prevote, 1 precommit, 2 proposal), height, round, value, pol | 0, and term 0 |
///
/// What one validator did in one term counts as one offence, however many proofs there are of it; so does what it did in
/// Tendermint in one epoch. Not checked here, for only the nodes know: that the incarnation was the one that counted, and
/// that it led the slots of its blocks. A contradiction within one incarnation is an offence all the same.
interface ISlasher {
    enum Kind {
        Block,
        Ack,
        Close,
        Vote,
        Proposal
    }

    enum Offence {
        DoubleBlock,
        DoubleAck,
        DoubleClose,
        UnlistedAck,
        HigherCertificate,
        DoubleVote,
        DoubleProposal
    }

    /// @notice What was said, and its author's signature.
    struct Statement {
        Kind kind;
        /// Zero for close votes, votes and proposals.
        uint64 slot;
        /// As in the table above.
        bytes32[] words;
        /// Number and hash of each block that a close vote lists; needed only to show that one is missing, else empty.
        bytes32[] listed;
        /// 65 bytes r || s || v, v 0 or 1 (27 and 28 do as well), low s.
        bytes signature;
    }

    /// @notice Two statements of one validator that no honest one makes.
    struct Proof {
        /// The signer's address, present or replaced.
        address validator;
        uint64 incarnation;
        uint64 epoch;
        /// Zero for votes and proposals.
        uint64 term;
        Statement first;
        /// Where one of the two is a close vote and the other an ack, this is the close vote.
        Statement second;
    }

    /// @notice What an offence costs. Parts are in 1 / 10,000.
    struct Penalty {
        /// Of all stake that is liable.
        uint16 fraction;
        /// Of what was cut.
        uint16 reporterShare;
        /// Seconds in jail.
        uint64 jailTime;
        /// Where the rest goes.
        address treasury;
    }

    /// @notice Validator `id` was convicted of `offence`, and lost `amount`.
    event Convicted(
        uint64 indexed id,
        address indexed signer,
        address indexed reporter,
        Offence offence,
        uint64 epoch,
        uint64 term,
        uint256 amount
    );
    /// @notice Offences cost this from now on.
    event PenaltyChanged(Penalty penalty);

    error UnknownSigner(address signer);
    error NotSignedBy(address signer, bytes32 digest);
    error Malformed(Kind kind, uint256 words);
    error WrongPlace(Kind kind, uint64 term, uint64 slot);
    error WrongStep(Kind kind, uint256 step);
    error WrongList(bytes32 given, bytes32 signed);
    error NoContradiction();
    error AlreadyConvicted(uint64 id, uint64 epoch, uint64 term);
    error ReporterZero();
    error PenaltyOutOfBounds(Penalty penalty);

    /// @notice Convicts the validator of `proof` and pays `reporter` its share. Refused if the signer's validator has no
    /// stake left that is liable (`NothingAtStake` of the pool), and if its offence has been punished.
    function report(Proof calldata proof, address reporter) external returns (uint256 amount);

    /// @notice Sets what offences cost. @dev Only the contract's owner.
    function setPenalty(Penalty calldata penalty_) external;

    /// @notice What an offence costs.
    function penalty() external view returns (Penalty memory);

    /// @notice What `proof` shows, leaving signatures and stake aside.
    function offenceOf(Proof calldata proof) external pure returns (Offence);

    /// @notice What the author of `statement` signed.
    function digestOf(Proof calldata proof, Statement calldata statement) external view returns (bytes32);

    /// @notice Whether validator `id` was convicted for this term, or with term 0 for Tendermint in this epoch.
    function isConvicted(uint64 id, uint64 epoch, uint64 term) external view returns (bool);
}
