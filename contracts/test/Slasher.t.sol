// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {LockingPool} from "../src/LockingPool.sol";
import {Slasher} from "../src/Slasher.sol";
import {ILockingPool} from "../src/interfaces/ILockingPool.sol";
import {ISlasher} from "../src/interfaces/ISlasher.sol";
import {Fixture} from "./base/Fixture.sol";
import {Offences} from "./base/Offences.sol";
import {Proxied} from "./base/Proxied.sol";

/// @notice What convicts, what does not, and that it convicts once.
contract SlasherTest is Fixture, Offences {
    uint256 private constant STAKE = 100_000e18;
    address private constant REPORTER = address(0xBEE);
    address private constant TREASURY = address(0x7EA);
    bytes32 private constant A = keccak256("block a");
    bytes32 private constant B = keccak256("block b");
    bytes32 private constant C = keccak256("block c");

    Slasher private slasher;
    ISlasher.Penalty private cost =
        ISlasher.Penalty({fraction: 1_000, reporterShare: 500, jailTime: 7 days, treasury: TREASURY});

    function setUp() public {
        vm.warp(1_700_000_000);
        pool = Proxied.pool(metis, address(this), EXIT_DELAY);
        inbox = Proxied.inbox(pool, EMERGENCY_DELAY);
        slasher = Proxied.slasher(pool, L2_CHAIN_ID, address(this), cost);
        pool.connect(inbox, address(slasher), makeAddr("rewards"));
        join(1, STAKE);
        join(2, STAKE);
    }

    function _locking() internal view override returns (address) {
        return address(pool);
    }

    /* WHAT CONVICTS */

    function test_everyOffenceConvicts() public {
        (ISlasher.Proof[] memory proofs, ISlasher.Offence[] memory offences) = _all();
        for (uint256 i = 0; i < proofs.length; i++) {
            uint256 before = vm.snapshotState();
            assertEq(uint8(slasher.offenceOf(proofs[i])), uint8(offences[i]));
            assertEq(slasher.digestOf(proofs[i], proofs[i].first), _digestOf(proofs[i], proofs[i].first));
            assertFalse(slasher.isConvicted(1, EPOCH, proofs[i].term));
            vm.expectEmit(address(slasher));
            emit ISlasher.Convicted(1, signerOf(1), REPORTER, offences[i], EPOCH, proofs[i].term, STAKE / 10);
            assertEq(slasher.report(proofs[i], REPORTER), STAKE / 10);
            assertTrue(slasher.isConvicted(1, EPOCH, proofs[i].term));
            assertEq(metis.balanceOf(REPORTER), STAKE / 200);
            assertEq(metis.balanceOf(TREASURY), STAKE / 10 - STAKE / 200);
            assertEq(pool.validator(1).stake, STAKE * 9 / 10);
            assertEq(pool.validators().length, 1);
            vm.revertToState(before);
        }
    }

    /// @dev Both ways of writing v.
    function test_signaturesInTheFormOfL1CountToo() public {
        (ISlasher.Proof[] memory proofs,) = _all();
        bytes memory signature = proofs[0].first.signature;
        signature[64] = bytes1(uint8(signature[64]) + 27);
        slasher.report(proofs[0], REPORTER);
    }

    /* WHAT DOES NOT */

    function test_whatAnHonestValidatorSaysConvictsNobody() public {
        ISlasher.Statement[2][] memory pairs = new ISlasher.Statement[2][](14);
        pairs[0] = [_blockAt(4, A), _blockAt(4, A)];
        pairs[1] = [_blockAt(4, A), _blockAt(5, B)];
        pairs[2] = [_ackOf(4, A, 0, 0), _ackOf(4, A, 3, B)];
        pairs[3] = [_ackOf(4, A, 0, 0), _ackOf(5, B, 0, 0)];
        pairs[4] = [_closeWith(3, A, _list(4, B)), _closeWith(3, A, _list(4, B))];
        pairs[5] = [_ackOf(4, B, 3, A), _closeWith(3, A, _list(4, B))];
        pairs[6] = [_ackOf(3, B, 3, A), _closeWith(3, A, _list(4, B))];
        pairs[7] = [_ackOf(2, C, 0, 0), _closeWith(3, A, _list(4, B))];
        pairs[8] = [_engine(0, 4, 1, A, 0), _engine(0, 4, 1, A, 0)];
        pairs[9] = [_engine(0, 4, 1, A, 0), _engine(1, 4, 1, B, 0)];
        pairs[10] = [_engine(1, 4, 1, A, 0), _engine(1, 4, 2, B, 0)];
        pairs[11] = [_engine(2, 4, 1, A, 0), _engine(2, 5, 1, B, 0)];
        // A block and an ack are not of one kind; a close vote comes second.
        pairs[12] = [_blockAt(4, A), _ackOf(4, B, 0, 0)];
        pairs[13] = [_closeWith(3, A, _list(4, B)), _ackOf(4, C, 0, 0)];
        for (uint256 i = 0; i < pairs.length; i++) {
            _refuses(
                _proofOf(signerSecret(1), pairs[i][0], pairs[i][1]),
                abi.encodeWithSelector(ISlasher.NoContradiction.selector)
            );
        }
    }

    /// @dev One close vote passed in two ways is still one: the list is not part of what is compared.
    function test_oneVoteInTwoDressesIsOneVote() public {
        ISlasher.Statement memory bare = _closeWith(3, A, _list(4, B));
        bare.listed = new bytes32[](0);
        _refuses(
            _proofOf(signerSecret(1), _closeWith(3, A, _list(4, B)), bare),
            abi.encodeWithSelector(ISlasher.NoContradiction.selector)
        );
    }

    /// @dev Whatever is said, saying it twice is no offence.
    function testFuzz_sayingTheSameTwiceConvictsNobody(uint8 kind, uint64 number, bytes32 hash, uint64 other) public {
        kind = kind % 4;
        ISlasher.Statement[4] memory said = [
            _blockAt(number, hash),
            _ackOf(number, hash, other, hash),
            _closeWith(other, hash, _list(number, hash)),
            _engine(number % 3, other, uint32(number), hash, 0)
        ];
        ISlasher.Statement[4] memory again = [
            _blockAt(number, hash),
            _ackOf(number, hash, other, hash),
            _closeWith(other, hash, _list(number, hash)),
            _engine(number % 3, other, uint32(number), hash, 0)
        ];
        _refuses(
            _proofOf(signerSecret(1), said[kind], again[kind]),
            abi.encodeWithSelector(ISlasher.NoContradiction.selector)
        );
    }

    function test_malformedStatementsAreRefused() public {
        for (uint8 kind = 0; kind < 5; kind++) {
            for (uint256 length = 0; length < 7; length++) {
                uint256 right = kind == 0 ? 2 : kind < 3 ? 4 : 5;
                if (length == right) continue;
                ISlasher.Statement memory said = _blockAt(4, A);
                (said.kind, said.words) = (ISlasher.Kind(kind), new bytes32[](length));
                _refuses(
                    _proofOf(signerSecret(1), said, said),
                    abi.encodeWithSelector(ISlasher.Malformed.selector, kind, length)
                );
            }
        }
    }

    function test_statementsInThePlaceOfOthersAreRefused() public {
        ISlasher.Statement memory close = _closeWith(3, A, _list(4, B));
        close.slot = 7;
        _refuses(
            _proofOf(signerSecret(1), close, _closeWith(2, A, _list(4, B))),
            abi.encodeWithSelector(ISlasher.WrongPlace.selector, ISlasher.Kind.Close, TERM, 7)
        );
        ISlasher.Proof memory proof = _proofOf(signerSecret(1), _engine(0, 4, 1, A, 0), _engine(0, 4, 1, B, 0));
        proof.term = TERM;
        _sign(signerSecret(1), proof);
        _refuses(proof, abi.encodeWithSelector(ISlasher.WrongPlace.selector, ISlasher.Kind.Vote, TERM, 0));
        proof = _proofOf(signerSecret(1), _blockAt(4, A), _blockAt(4, B));
        proof.term = 0;
        _sign(signerSecret(1), proof);
        _refuses(proof, abi.encodeWithSelector(ISlasher.WrongPlace.selector, ISlasher.Kind.Block, 0, SLOT));

        ISlasher.Statement memory vote = _engine(0, 4, 1, A, 0);
        vote.words[0] = bytes32(uint256(2));
        _refuses(
            _proofOf(signerSecret(1), vote, vote),
            abi.encodeWithSelector(ISlasher.WrongStep.selector, ISlasher.Kind.Vote, 2)
        );
        ISlasher.Statement memory proposal = _engine(2, 4, 1, A, 0);
        proposal.words[0] = bytes32(uint256(1));
        _refuses(
            _proofOf(signerSecret(1), proposal, proposal),
            abi.encodeWithSelector(ISlasher.WrongStep.selector, ISlasher.Kind.Proposal, 1)
        );
    }

    /// @dev Somebody leaves a block out of the list to make an honest ack look unlisted.
    function test_aListThatWasNotSignedIsRefused() public {
        ISlasher.Statement memory close = _closeWith(3, A, _list(4, B));
        ISlasher.Proof memory proof = _proofOf(signerSecret(1), _ackOf(4, B, 0, 0), close);
        proof.second.listed = new bytes32[](0);
        _refuses(
            proof,
            abi.encodeWithSelector(ISlasher.WrongList.selector, keccak256(""), keccak256(abi.encodePacked(_list(4, B))))
        );
    }

    /* FORGERY */

    function testFuzz_aFlippedBitOfASignatureIsRefused(uint256 bit, bool second) public {
        ISlasher.Proof memory proof = _proofOf(signerSecret(1), _blockAt(4, A), _blockAt(4, B));
        bit = bound(bit, 0, 65 * 8 - 1);
        bytes memory signature = second ? proof.second.signature : proof.first.signature;
        signature[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        bytes32 digest = _digestOf(proof, second ? proof.second : proof.first);
        _refuses(proof, abi.encodeWithSelector(ISlasher.NotSignedBy.selector, signerOf(1), digest));
    }

    /// @dev Chain, pool, incarnation, epoch, term and slot are all under the signature.
    function test_aProofFromElsewhereIsRefused() public {
        for (uint256 field = 0; field < 5; field++) {
            ISlasher.Proof memory proof = _proofOf(signerSecret(1), _blockAt(4, A), _blockAt(4, B));
            if (field == 0) proof.incarnation++;
            if (field == 1) proof.epoch++;
            if (field == 2) proof.term++;
            if (field == 3) proof.first.slot++;
            if (field == 4) proof.first.words[1] = C;
            _refuses(
                proof, abi.encodeWithSelector(ISlasher.NotSignedBy.selector, signerOf(1), _digestOf(proof, proof.first))
            );
        }
        ISlasher.Proof memory good = _proofOf(signerSecret(1), _blockAt(4, A), _blockAt(4, B));
        Slasher otherChain = Proxied.slasher(pool, L2_CHAIN_ID + 1, address(this), cost);
        bytes32 digest = otherChain.digestOf(good, good.first);
        vm.expectRevert(abi.encodeWithSelector(ISlasher.NotSignedBy.selector, signerOf(1), digest));
        otherChain.report(good, REPORTER);

        LockingPool first = pool;
        pool = Proxied.pool(metis, address(this), EXIT_DELAY);
        Slasher otherPool = Proxied.slasher(pool, L2_CHAIN_ID, address(this), cost);
        vm.mockCall(address(pool), abi.encodeCall(ILockingPool.validatorOfSigner, (signerOf(1))), abi.encode(1));
        digest = otherPool.digestOf(good, good.first);
        vm.expectRevert(abi.encodeWithSelector(ISlasher.NotSignedBy.selector, signerOf(1), digest));
        otherPool.report(good, REPORTER);
        pool = first;
    }

    /// @dev Two statements of two incarnations do not contradict each other.
    function test_twoIncarnationsAreTwoVoices() public {
        ISlasher.Proof memory proof = _proofOf(signerSecret(1), _blockAt(4, A), _blockAt(4, B));
        ISlasher.Proof memory reborn = _proofOf(signerSecret(1), _blockAt(4, A), _blockAt(4, B));
        reborn.incarnation++;
        _sign(signerSecret(1), reborn);
        proof.second.signature = reborn.second.signature;
        _refuses(
            proof, abi.encodeWithSelector(ISlasher.NotSignedBy.selector, signerOf(1), _digestOf(proof, proof.second))
        );
    }

    function test_twoValidatorsAreTwoVoices() public {
        ISlasher.Proof memory proof = _proofOf(signerSecret(1), _blockAt(4, A), _blockAt(4, B));
        proof.second.signature = _signature(signerSecret(2), _digestOf(proof, proof.second));
        _refuses(
            proof, abi.encodeWithSelector(ISlasher.NotSignedBy.selector, signerOf(1), _digestOf(proof, proof.second))
        );
    }

    function test_aStrangersProofIsRefused() public {
        ISlasher.Proof memory proof = _proofOf(signerSecret(9), _blockAt(4, A), _blockAt(4, B));
        _refuses(proof, abi.encodeWithSelector(ISlasher.UnknownSigner.selector, signerOf(9)));
        proof.validator = address(0);
        proof.first.signature = "";
        _refuses(proof, abi.encodeWithSelector(ISlasher.UnknownSigner.selector, address(0)));
    }

    function test_aReporterMustBeNamed() public {
        ISlasher.Proof memory proof = _proofOf(signerSecret(1), _blockAt(4, A), _blockAt(4, B));
        vm.expectRevert(ISlasher.ReporterZero.selector);
        slasher.report(proof, address(0));
    }

    /* ONCE FOR ONE OFFENCE */

    function test_oneTermIsOneOffence() public {
        (ISlasher.Proof[] memory proofs,) = _all();
        slasher.report(proofs[0], REPORTER);
        // The same, the same the other way round, and everything else of that term.
        ISlasher.Proof memory turned = _proofOf(signerSecret(1), _blockAt(4, B), _blockAt(4, A));
        bytes memory again = abi.encodeWithSelector(ISlasher.AlreadyConvicted.selector, 1, EPOCH, TERM);
        _refuses(turned, again);
        for (uint256 i = 0; i < 5; i++) {
            _refuses(proofs[i], again);
        }
        // Tendermint's is another; so is another term, and another validator's.
        slasher.report(proofs[5], REPORTER);
        _refuses(proofs[6], abi.encodeWithSelector(ISlasher.AlreadyConvicted.selector, 1, EPOCH, 0));
        ISlasher.Proof memory later = _proofOf(signerSecret(1), _blockAt(4, A), _blockAt(4, B));
        later.term++;
        _sign(signerSecret(1), later);
        slasher.report(later, REPORTER);
        slasher.report(_proofOf(signerSecret(2), _blockAt(4, A), _blockAt(4, B)), REPORTER);
        assertEq(pool.validator(1).stake, STAKE * 9 * 9 * 9 / 1000);
        assertEq(pool.validator(2).stake, STAKE * 9 / 10);
    }

    /// @dev A new key does not make a new offence of an old one, nor the other way round.
    function test_aNewKeyIsNoWayOut() public {
        changeSigner(1, 9);
        slasher.report(_proofOf(signerSecret(1), _blockAt(4, A), _blockAt(4, B)), REPORTER);
        assertEq(pool.validator(1).stake, STAKE * 9 / 10);
        _refuses(
            _proofOf(signerSecret(9), _blockAt(4, A), _blockAt(4, B)),
            abi.encodeWithSelector(ISlasher.AlreadyConvicted.selector, 1, EPOCH, TERM)
        );
    }

    function test_leavingIsNoWayOutUntilItIsOver() public {
        ISlasher.Proof memory proof = _proofOf(signerSecret(1), _blockAt(4, A), _blockAt(4, B));
        vm.prank(ownerOf(1));
        pool.unlock();
        skip(EXIT_DELAY - 1);
        uint256 before = vm.snapshotState();
        assertEq(slasher.report(proof, REPORTER), STAKE / 10);
        vm.revertToState(before);
        skip(1);
        bytes memory stale = abi.encodeWithSelector(ILockingPool.NothingAtStake.selector, 1);
        _refuses(proof, stale);
        vm.prank(ownerOf(1));
        pool.unlockClaim();
        _refuses(proof, stale);
        // Coming back with other keys brings no old guilt along.
        fund(1, 0);
        bytes memory key = ecdsa(signerSecret(9), pool.signerDigest(ownerOf(1), signerOf(9)));
        vm.prank(ownerOf(1));
        pool.lockFor(signerOf(9), nodeKeyOf(9), STAKE, key);
        _refuses(proof, stale);
    }

    /* PENALTIES */

    function test_penaltiesAreGovernances() public {
        cost.fraction = 5_000;
        vm.expectEmit(address(slasher));
        emit ISlasher.PenaltyChanged(cost);
        slasher.setPenalty(cost);
        assertEq(slasher.penalty().fraction, 5_000);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, ownerOf(1)));
        vm.prank(ownerOf(1));
        slasher.setPenalty(cost);
    }

    function test_penaltiesHaveBounds() public {
        ISlasher.Penalty[] memory wrong = new ISlasher.Penalty[](5);
        for (uint256 i = 0; i < wrong.length; i++) {
            wrong[i] = cost;
        }
        wrong[0].fraction = slasher.MIN_FRACTION() - 1;
        wrong[1].fraction = 10_001;
        wrong[2].reporterShare = slasher.MAX_REPORTER_SHARE() + 1;
        wrong[3].jailTime = slasher.MAX_JAIL_TIME() + 1;
        wrong[4].treasury = address(0);
        for (uint256 i = 0; i < wrong.length; i++) {
            vm.expectRevert(abi.encodeWithSelector(ISlasher.PenaltyOutOfBounds.selector, wrong[i]));
            slasher.setPenalty(wrong[i]);
        }
    }

    /* HELP */

    /// @dev One proof of each offence by validator 1; the last three are Tendermint's.
    function _all() private view returns (ISlasher.Proof[] memory proofs, ISlasher.Offence[] memory offences) {
        proofs = new ISlasher.Proof[](8);
        offences = new ISlasher.Offence[](8);
        uint256 me = signerSecret(1);
        bytes32[] memory none = new bytes32[](0);
        proofs[0] = _proofOf(me, _blockAt(4, A), _blockAt(4, B));
        proofs[1] = _proofOf(me, _ackOf(4, A, 3, C), _ackOf(4, B, 0, 0));
        proofs[2] = _proofOf(me, _closeWith(3, A, _list(4, B)), _closeWith(3, A, none));
        proofs[3] = _proofOf(me, _ackOf(4, C, 0, 0), _closeWith(3, A, _list(4, B)));
        proofs[4] = _proofOf(me, _ackOf(4, B, 4, B), _closeWith(3, A, _list(4, B)));
        proofs[5] = _proofOf(me, _engine(0, 4, 1, A, 0), _engine(0, 4, 1, B, 0));
        proofs[6] = _proofOf(me, _engine(1, 4, 1, A, 0), _engine(1, 4, 1, 0, 0));
        proofs[7] = _proofOf(me, _engine(2, 4, 1, A, 0), _engine(2, 4, 1, A, 1));
        for (uint8 i = 0; i < 6; i++) {
            offences[i] = ISlasher.Offence(i);
        }
        (offences[6], offences[7]) = (ISlasher.Offence.DoubleVote, ISlasher.Offence.DoubleProposal);
    }

    function _refuses(ISlasher.Proof memory proof, bytes memory reason) private {
        vm.expectRevert(reason);
        slasher.report(proof, REPORTER);
    }
}
