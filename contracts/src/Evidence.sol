// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ISlasher} from "./interfaces/ISlasher.sol";

/// @title Evidence
/// @notice What two statements of one validator show, from their words alone, and what was signed for each. The words are
/// those that the nodes hash (`consensus/control/src/proof.rs`), so nothing is read here that was not signed.
library Evidence {
    /// @notice The digest of a statement: every word of the place that it was made in, and its content.
    function digest(uint256 chainId, address pool, ISlasher.Proof calldata proof, ISlasher.Statement calldata statement)
        internal
        pure
        returns (bytes32)
    {
        bytes32 content = keccak256(abi.encodePacked(statement.words));
        return keccak256(
            abi.encode(
                _name(statement.kind),
                chainId,
                pool,
                proof.incarnation,
                proof.epoch,
                proof.term,
                statement.slot,
                content
            )
        );
    }

    /// @notice The offence that the statements show. Reverts if they are malformed, or an honest validator may have made both.
    function judge(ISlasher.Proof calldata proof) internal pure returns (ISlasher.Offence) {
        (ISlasher.Statement calldata first, ISlasher.Statement calldata second) = (proof.first, proof.second);
        _requireWellFormed(proof.term, first);
        _requireWellFormed(proof.term, second);
        ISlasher.Kind kind = first.kind;
        if (kind == ISlasher.Kind.Ack && second.kind == ISlasher.Kind.Close) return _ackAgainstClose(first, second);

        require(second.kind == kind, ISlasher.NoContradiction());
        if (kind == ISlasher.Kind.Block || kind == ISlasher.Kind.Ack) {
            // One height, two hashes. Two acks of one block may name two certificates.
            require(first.words[0] == second.words[0], ISlasher.NoContradiction());
            require(first.words[1] != second.words[1], ISlasher.NoContradiction());
            return kind == ISlasher.Kind.Block ? ISlasher.Offence.DoubleBlock : ISlasher.Offence.DoubleAck;
        }
        if (kind == ISlasher.Kind.Close) {
            // The signed words, not how they were passed: one vote in two dresses is one vote.
            require(_content(first) != _content(second), ISlasher.NoContradiction());
            return ISlasher.Offence.DoubleClose;
        }
        bool samePlace =
            first.words[0] == second.words[0] && first.words[1] == second.words[1] && first.words[2] == second.words[2];
        require(samePlace && _content(first) != _content(second), ISlasher.NoContradiction());
        return kind == ISlasher.Kind.Vote ? ISlasher.Offence.DoubleVote : ISlasher.Offence.DoubleProposal;
    }

    /// @dev An ack above the certificate of its author's close vote must be in the vote's list, and must name no higher
    /// certificate than the vote. The list is needed, and looked at, only for the first.
    function _ackAgainstClose(ISlasher.Statement calldata ack, ISlasher.Statement calldata vote)
        private
        pure
        returns (ISlasher.Offence)
    {
        bytes32 height = vote.words[0];
        if (ack.words[0] > height && !_lists(vote, ack.words[0], ack.words[1])) return ISlasher.Offence.UnlistedAck;
        require(ack.words[2] > height, ISlasher.NoContradiction());
        return ISlasher.Offence.HigherCertificate;
    }

    function _lists(ISlasher.Statement calldata vote, bytes32 number, bytes32 hash) private pure returns (bool) {
        bytes32 given = keccak256(abi.encodePacked(vote.listed));
        require(given == vote.words[2], ISlasher.WrongList(given, vote.words[2]));
        for (uint256 i = 0; i + 1 < vote.listed.length; i += 2) {
            if (vote.listed[i] == number && vote.listed[i + 1] == hash) return true;
        }
        return false;
    }

    /// @dev As many words as the kind has, in the place that it has; otherwise a content could be read as what it is not.
    function _requireWellFormed(uint64 term, ISlasher.Statement calldata said) private pure {
        ISlasher.Kind kind = said.kind;
        bool isEngine = kind == ISlasher.Kind.Vote || kind == ISlasher.Kind.Proposal;
        uint256 length = kind == ISlasher.Kind.Block ? 2 : isEngine ? 5 : 4;
        require(said.words.length == length, ISlasher.Malformed(kind, said.words.length));
        bool hasSlot = kind == ISlasher.Kind.Block || kind == ISlasher.Kind.Ack;
        require((hasSlot || said.slot == 0) && isEngine == (term == 0), ISlasher.WrongPlace(kind, term, said.slot));
        if (!isEngine) return;
        uint256 step = uint256(said.words[0]);
        require(kind == ISlasher.Kind.Vote ? step < 2 : step == 2, ISlasher.WrongStep(kind, step));
    }

    function _content(ISlasher.Statement calldata said) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(said.words));
    }

    function _name(ISlasher.Kind kind) private pure returns (bytes32) {
        if (kind == ISlasher.Kind.Block) return keccak256("horae.v1.block");
        if (kind == ISlasher.Kind.Ack) return keccak256("horae.v1.ack");
        if (kind == ISlasher.Kind.Close) return keccak256("horae.v1.close");
        if (kind == ISlasher.Kind.Vote) return keccak256("horae.v1.vote");
        return keccak256("horae.v1.proposal");
    }
}
